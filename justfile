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

# One seed of the simulation: just sim 4711
sim SEED:
    cargo xtask sim --seed {{ SEED }}

# Many seeds: just sim-many 1000
sim-many N:
    cargo xtask sim --seeds {{ N }}

# Licences, advisories, duplicate versions (needs cargo-deny and the network).
deny:
    cargo deny check

# A local cluster of three regions; Ctrl-C ends it.
up *ARGS:
    cargo demo {{ ARGS }}

# Drills by name (docs/drills.md): just drill lose-the-leader
drill *ARGS:
    cargo build --workspace --bins
    target/debug/holdfast-chaos drill run {{ ARGS }}

# Figures for the README.
bench:
    cargo build --release -p holdfast-node -p holdfast-gateway -p holdfast-chaos
    target/release/holdfast-chaos bench latency
    target/release/holdfast-chaos bench hold

# Every bench of docs/benchmarks.md with the flags of its table, one JSON file each, then all figures that have a target. More
# than an hour; the machine should have nothing else to do. It takes wrk (apt-get install wrk). Peers: etcd-server redis-server
# postgresql nginx knot.
bench-all OUT="target/bench":
    cargo build --release --workspace
    mkdir -p {{ OUT }}
    target/release/holdfast-chaos bench hold --against etcd --against redis --clients 64,256,512,1024 --rounds 3 --json > {{ OUT }}/hold-against.json
    target/release/holdfast-chaos bench hold --against postgres --against postgres-sync --json > {{ OUT }}/hold-against-postgres.json
    target/release/holdfast-chaos bench hold --attempts 2000 --against etcd --against redis --against postgres-sync --clients 64 --json > {{ OUT }}/hold-low-contention.json
    target/release/holdfast-chaos bench hold --json > {{ OUT }}/hold.json
    target/release/holdfast-chaos bench latency --json > {{ OUT }}/latency.json
    target/release/holdfast-chaos bench failover --shards 1000 --json > {{ OUT }}/failover-1000.json
    target/release/holdfast-chaos bench failover --shards 1000 --near --json > {{ OUT }}/failover-1000-near.json
    target/release/holdfast-chaos bench failover --shards 1000 --mode blackhole --json > {{ OUT }}/failover-1000-blackhole.json
    target/release/holdfast-chaos bench failover --shards 20 --hot 20 --json > {{ OUT }}/failover-20.json
    target/release/holdfast-chaos bench evacuate --shards 1000 --json > {{ OUT }}/evacuate.json
    target/release/holdfast-chaos bench disk --json > {{ OUT }}/disk.json
    target/release/holdfast-chaos bench idle --json > {{ OUT }}/idle.json
    target/release/holdfast-chaos bench idle --shows 10000 --states hibernating --states unloaded --json > {{ OUT }}/idle-10000.json
    target/release/holdfast-chaos bench restart --json > {{ OUT }}/restart.json
    target/release/holdfast-chaos bench gateway --json > {{ OUT }}/gateway.json
    target/release/holdfast-chaos bench rejection --json > {{ OUT }}/rejection.json
    target/release/holdfast-chaos bench sse --json > {{ OUT }}/sse.json
    target/release/holdfast-chaos bench sse --far --viewers 2000 --json > {{ OUT }}/sse-far.json
    target/release/holdfast-chaos bench dns --seconds 3 --rounds 3 --clients 64 --json > {{ OUT }}/dns.json
    target/release/holdfast-chaos bench queue --json > {{ OUT }}/queue.json
    target/release/holdfast-chaos bench failover --shards 10000 --settle-s 60 --json > {{ OUT }}/failover-10000.json
    target/release/holdfast-chaos bench summary {{ OUT }}
