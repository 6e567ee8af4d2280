# What a contributor types. `just verify` never writes; `just fix` does.

# All checks that take minutes, not hours.
verify:
    cargo fmt --all -- --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    cargo test --workspace --locked
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
    cargo xtask tidy

# Formats and applies what clippy can mend.
fix:
    cargo fmt --all
    cargo clippy --workspace --all-targets --fix --allow-dirty --allow-staged

# Tests of one crate: just test holdfast-inventory
test CRATE:
    cargo test -p {{ CRATE }}

# Licences, advisories, duplicate versions (needs cargo-deny and the network).
deny:
    cargo deny check

# A local cluster of three regions; Ctrl-C ends it.
up *ARGS:
    cargo demo {{ ARGS }}

# Figures for the README.
bench:
    cargo build --release -p holdfast-node -p holdfast-gateway -p holdfast-chaos
    target/release/holdfast-chaos bench hold
