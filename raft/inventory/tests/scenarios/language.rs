//! Reads the words of a scenario and writes its answers.

use std::collections::BTreeMap;

use holdfast_inventory::ids::{AreaNo, CategoryNo, Currency, SeatNo, ShowId};
use holdfast_inventory::outcome::{HoldState, HoldView, OrderState, OrderView};
use holdfast_inventory::show::{Area, Category, SaleRules, Seat, ShowSetUp, SingleSeatRule};

/// Names of the seats, areas and categories of the show on stage.
#[derive(Default)]
pub(crate) struct Names {
    pub(crate) seats: Vec<String>,
    pub(crate) areas: Vec<String>,
    pub(crate) categories: Vec<String>,
    /// Row name and its seats, for maps.
    pub(crate) rows: Vec<(String, Vec<SeatNo>)>,
}

impl Names {
    /// The seat of that name; a seat beyond the layout for a name that nobody has.
    pub(crate) fn seat(&self, name: &str) -> SeatNo {
        let index = self.seats.iter().position(|s| s == name).unwrap_or(9_999);
        SeatNo(u32::try_from(index).unwrap())
    }

    pub(crate) fn area(&self, name: &str) -> AreaNo {
        let index = self.areas.iter().position(|s| s == name).unwrap_or(999);
        AreaNo(u16::try_from(index).unwrap())
    }

    pub(crate) fn category(&self, name: &str) -> CategoryNo {
        let index = self
            .categories
            .iter()
            .position(|s| s == name)
            .unwrap_or(999);
        CategoryNo(u16::try_from(index).unwrap())
    }

    pub(crate) fn list(&self, seats: &[SeatNo]) -> String {
        let name = |s: &SeatNo| {
            self.seats
                .get(s.index())
                .cloned()
                .unwrap_or_else(|| "?".into())
        };
        seats.iter().map(name).collect::<Vec<_>>().join(" ")
    }
}

/// `0:05` or `0:05:30` (hours, minutes, seconds since the scenario began) in ms.
pub(crate) fn time_ms(text: &str) -> Result<u64, String> {
    let parts: Result<Vec<u64>, _> = text.split(':').map(str::parse).collect();
    match parts.map_err(|_| format!("{text} is no time"))?.as_slice() {
        [h, m] => Ok((h * 60 + m) * 60_000),
        [h, m, s] => Ok(((h * 60 + m) * 60 + s) * 1_000),
        _ => Err(format!("{text} is no time")),
    }
}

/// The time as a scenario writes it.
pub(crate) fn time(ms: u64) -> String {
    let (s, rest) = (ms / 1_000, ms % 1_000);
    let text = format!("{}:{:02}:{:02}", s / 3_600, s / 60 % 60, s % 60);
    if rest == 0 {
        text
    } else {
        format!("{text}.{rest:03}")
    }
}

pub(crate) fn minor(text: &str) -> Result<u64, String> {
    let (whole, cents) = text
        .split_once('.')
        .ok_or_else(|| format!("{text} is no price"))?;
    let whole: u64 = whole.parse().map_err(|_| format!("{text} is no price"))?;
    let cents: u64 = cents.parse().map_err(|_| format!("{text} is no price"))?;
    Ok(whole * 100 + cents)
}

pub(crate) fn money(minor: u64, currency: Currency) -> String {
    format!("{}.{:02} {currency}", minor / 100, minor % 100)
}

/// Reads the lines of a `show … end` block.
pub(crate) fn show(block: &[String]) -> Result<(ShowSetUp, Names), String> {
    let mut names = Names::default();
    let mut set_up = ShowSetUp {
        show: ShowId(1),
        currency: Currency::parse("EUR").unwrap(),
        categories: Vec::new(),
        seats: Vec::new(),
        areas: Vec::new(),
        width: 0,
        height: 0,
        rules: SaleRules {
            single_seat: SingleSeatRule::Off,
            ..SaleRules::default()
        },
    };
    let mut companions: BTreeMap<usize, String> = BTreeMap::new();
    for line in block {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["show"] | ["end"] => {}
            ["category", name, price] => {
                names.categories.push((*name).to_owned());
                set_up.categories.push(Category {
                    name: (*name).to_owned(),
                    color: String::new(),
                    price_minor: minor(price)?,
                });
            }
            ["row", name, category, "=", seats @ ..] => {
                row(
                    &mut set_up,
                    &mut names,
                    &mut companions,
                    name,
                    category,
                    seats,
                );
            }
            ["area", name, category, capacity, "places"] => {
                names.areas.push((*name).to_owned());
                set_up.areas.push(Area {
                    id: (*name).to_owned(),
                    name: (*name).to_owned(),
                    category: names.category(category),
                    capacity: capacity.parse().map_err(|_| line.clone())?,
                    x: 0,
                    y: 0,
                });
            }
            ["rule", rule @ ..] => read_rule(&mut set_up.rules, rule)?,
            _ => return Err(format!("not understood: {line}")),
        }
    }
    for (index, of) in companions {
        set_up.seats[index].companion_of = Some(names.seat(&of));
    }
    Ok((set_up, names))
}

/// Seats stand 100 apart, an aisle (`|`) is two and a half seats wide. `A1*` is accessible, `A2+A1` its companion.
fn row(
    set_up: &mut ShowSetUp,
    names: &mut Names,
    companions: &mut BTreeMap<usize, String>,
    name: &str,
    category: &str,
    seats: &[&str],
) {
    let y = i32::try_from(names.rows.len()).unwrap() * 100;
    let mut x = 0;
    let mut members = Vec::new();
    for word in seats {
        if *word == "|" {
            x += 150;
            continue;
        }
        let index = set_up.seats.len();
        let (id, of) = word
            .split_once('+')
            .map_or((*word, None), |(id, of)| (id, Some(of)));
        let (id, accessible) = id.strip_suffix('*').map_or((id, false), |id| (id, true));
        if let Some(of) = of {
            companions.insert(index, of.to_owned());
        }
        members.push(SeatNo::from_index(index).unwrap());
        names.seats.push(id.to_owned());
        set_up.seats.push(Seat {
            id: id.to_owned(),
            zone: "hall".to_owned(),
            row: name.to_owned(),
            number: id.to_owned(),
            category: names.category(category),
            x,
            y,
            accessible,
            companion_of: None,
        });
        x += 100;
    }
    names.rows.push((name.to_owned(), members));
}

fn read_rule(rules: &mut SaleRules, rule: &[&str]) -> Result<(), String> {
    let number = |text: &str| {
        text.parse::<u32>()
            .map_err(|_| format!("{text} is no number"))
    };
    match rule {
        ["single-seat", name] => {
            rules.single_seat =
                SingleSeatRule::parse(name).ok_or_else(|| format!("rule {name}"))?;
        }
        ["per-order", n] => rules.seats_per_order_max = number(n)?,
        ["per-buyer", n] => rules.seats_per_buyer_max = number(n)?,
        ["hold", ttl, "at-most", cap] => {
            rules.hold_ttl_ms = time_ms(ttl)?;
            rules.hold_ttl_max_ms = time_ms(cap)?;
        }
        ["sale", from, "to", to] => {
            rules.opens_at_ms = time_ms(from)?;
            rules.closes_at_ms = time_ms(to)?;
        }
        _ => return Err(format!("no such rule: {rule:?}")),
    }
    Ok(())
}

fn places(names: &Names, seats: &[SeatNo], area: Option<AreaNo>, quantity: u32) -> String {
    match area {
        None => names.list(seats),
        Some(area) => format!("{quantity} places in {}", names.areas[area.index()]),
    }
}

pub(crate) fn hold(names: &Names, view: &HoldView) -> String {
    let state = match view.state {
        HoldState::Active => "active",
        HoldState::Released => "released",
        HoldState::Expired => "expired",
        HoldState::Ordered => "ordered",
    };
    let places = places(names, &view.seats, view.area, view.quantity);
    let apart = if view.contiguous { "" } else { ", apart" };
    let total = money(view.total_minor, view.currency);
    format!(
        "hold {} {state}: {places}, {total}, until {}{apart}",
        view.hold,
        time(view.expires_at_ms)
    )
}

pub(crate) fn order(names: &Names, view: &OrderView) -> String {
    let state = match view.state {
        OrderState::Open => "open",
        OrderState::Paying => "paying",
        OrderState::Paid => "paid",
        OrderState::Confirmed => "confirmed",
        OrderState::Cancelled => "cancelled",
        OrderState::Expired => "expired",
    };
    let places = places(names, &view.seats, view.area, view.quantity);
    let total = money(view.total_minor, view.currency);
    let mut text = format!("order {} {state}: {places}, {total}", view.order);
    if matches!(view.state, OrderState::Open | OrderState::Paying) {
        text.push_str(&format!(", until {}", time(view.expires_at_ms)));
    }
    if let Some(problem) = view.payment_problem {
        text.push_str(&format!(", {}", problem.as_str()));
    }
    if !view.tickets.is_empty() {
        let tickets: Vec<String> = view.tickets.iter().map(ToString::to_string).collect();
        text.push_str(&format!(", tickets {}", tickets.join(" ")));
    }
    text
}
