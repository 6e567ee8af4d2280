//! A layout as the document that browsers keep: made once, named by what is in it.
//!
//! Owns: its members (docs/live-maps.md) and its version. Must never: hold what can change.

use bytes::Bytes;
use holdfast_node_api::refs::ShowRef;
use holdfast_node_api::v1::Layout;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::packing::gzip;

/// Bytes of the hash that name a version.
const VERSION_BYTES: usize = 8;

/// See the module's head.
#[derive(Debug)]
pub struct Document {
    /// Of the content; equal at every gateway.
    pub version: String,
    /// The document.
    pub json: Bytes,
    /// The document, compressed.
    pub gzip: Bytes,
}

impl Document {
    /// The document of `layout`.
    #[must_use]
    pub fn of(layout: &Layout) -> Self {
        let mut document = view(layout);
        let hash = Sha256::digest(document.to_string());
        let version: String = hash[..VERSION_BYTES]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        document["version"] = json!(version);
        let json = Bytes::from(document.to_string());
        Self {
            gzip: gzip(&json),
            version,
            json,
        }
    }
}

fn view(layout: &Layout) -> Value {
    let seats = layout.seats.iter().map(|seat| {
        let mut view = json!({
            "id": seat.id,
            "zone": seat.zone,
            "row": seat.row,
            "number": seat.number,
            "category": seat.category,
            "x": seat.x,
            "y": seat.y,
            "left": seat.left,
            "right": seat.right,
        });
        if seat.accessible {
            view["accessible"] = json!(true);
        }
        if let Some(of) = seat.companion_of {
            view["companion_of"] = json!(of);
        }
        view
    });
    let areas = layout.areas.iter().map(|area| {
        json!({
            "id": area.id,
            "name": area.name,
            "category": area.category,
            "capacity": area.capacity,
            "x": area.x,
            "y": area.y,
        })
    });
    let categories = layout
        .categories
        .iter()
        .map(|c| json!({ "name": c.name, "color": c.color, "price_minor": c.price_minor }));
    json!({
        "show": ShowRef(layout.show_id).to_string(),
        "currency": layout.currency,
        "width": layout.width,
        "height": layout.height,
        "categories": categories.collect::<Vec<_>>(),
        "seats": seats.collect::<Vec<_>>(),
        "areas": areas.collect::<Vec<_>>(),
        "seats_per_order_max": layout.seats_per_order_max,
        "seats_per_buyer_max": layout.seats_per_buyer_max,
        "single_seat_rule": layout.single_seat_rule,
        "sale_opens_at_ms": layout.sale_opens_at_ms,
        // The wire says "never" with the largest number, which JSON readers cannot hold.
        "sale_closes_at_ms": (layout.sale_closes_at_ms != u64::MAX).then_some(layout.sale_closes_at_ms),
    })
}

#[cfg(test)]
mod tests {
    use holdfast_node_api::v1::LayoutSeat;

    use super::*;

    #[test]
    fn the_version_follows_the_content() {
        let mut layout = Layout {
            show_id: 7,
            seats: vec![LayoutSeat::default()],
            sale_closes_at_ms: u64::MAX,
            ..Layout::default()
        };
        let one = Document::of(&layout);
        assert_eq!(one.version, Document::of(&layout).version);
        assert_eq!(one.version.len(), 2 * VERSION_BYTES);
        let read: Value = serde_json::from_slice(&one.json).unwrap();
        assert_eq!(
            (&read["show"], &read["version"]),
            (&json!("s7"), &json!(one.version))
        );
        assert_eq!(read["sale_closes_at_ms"], Value::Null);
        layout.seats[0].category = 1;
        assert_ne!(one.version, Document::of(&layout).version);
    }
}
