//! Generates the peer protocol; protox stands in for protoc so that nothing has to be installed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    // How the simulation is built: only then can tokio's random choices be seeded.
    println!("cargo:rustc-check-cfg=cfg(tokio_unstable)");
    let files = protox::compile(["proto/holdfast/peer/v1/peer.proto"], ["proto"])?;
    tonic_prost_build::configure()
        .bytes(".")
        .compile_fds(files)?;
    Ok(())
}
