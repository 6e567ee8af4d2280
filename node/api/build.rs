//! Generates the Rust form of the contract. Needs no `protoc`: protox compiles the proto files itself.

use std::error::Error;

const PROTOS: [&str; 6] = [
    "holdfast/v1/inventory.proto",
    "holdfast/v1/admin.proto",
    "holdfast/v1/operator.proto",
    "holdfast/v1/leaders.proto",
    "holdfast/v1/waiting_room.proto",
    "holdfast/v1/buyer_index.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    for proto in PROTOS {
        println!("cargo:rerun-if-changed=proto/{proto}");
    }
    let descriptors = protox::compile(PROTOS, ["proto"])?;
    // `bytes(".")`: callers and seat maps are shared, not copied, between a frame and its reader.
    tonic_prost_build::configure()
        .bytes(".")
        .compile_fds(descriptors)?;
    Ok(())
}
