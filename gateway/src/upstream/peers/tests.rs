//! Nodes come and go; the others are not disturbed.

use std::path::Path;

use super::*;

const FILE: &str = r#"
cluster = "peers"
[[region]]
id = "a"
name = "A"
lat = 0.0
lon = 0.0
[[region]]
id = "b"
name = "B"
lat = 0.0
lon = 1.0
[[node]]
id = 1
region = "b"
addr = "127.0.0.1:11"
[[node]]
id = 2
region = "a"
addr = "127.0.0.1:12"
[rtt]
source = "made up"
[rtt.ms]
a = { b = 20.0 }
b = { a = 20.0 }
"#;

fn write(dir: &Path, text: &str) {
    std::fs::write(dir.join("topology.toml"), text).unwrap();
}

fn peers(dir: &Path) -> Peers {
    write(dir, FILE);
    let text = "region = \"a\"\nhttp_listen = \"127.0.0.1:0\"\ntopology = \"topology.toml\"\nsession_key_file = \"k\"\n";
    let config = Config::parse(text, "test", dir, &BTreeMap::new()).unwrap();
    let topology = Topology::load(&config.topology).unwrap();
    Peers::new(topology, &config).unwrap()
}

fn announced(node_id: u64, region: &str) -> Arc<v1::CatalogueNode> {
    Arc::new(v1::CatalogueNode {
        node_id,
        region: region.to_owned(),
        addr: format!("10.0.0.{node_id}:1"),
        removed: false,
        draining: false,
    })
}

fn addrs(peers: &Peers) -> Vec<(u64, String)> {
    let now = peers.now();
    let addrs = now.iter().map(|peer| (peer.id, peer.addr.clone()));
    addrs.collect()
}

fn at(id: u64, addr: &str) -> (u64, String) {
    (id, addr.to_owned())
}

#[tokio::test]
async fn a_node_that_the_file_does_not_have_is_dialled_where_it_announced_itself() {
    let dir = tempfile::tempdir().unwrap();
    let peers = peers(dir.path());
    let before = peers.now();
    let all = [announced(2, "a"), announced(3, "a"), announced(4, "c")];
    peers.heard_of(&all).await;
    assert_eq!(
        addrs(&peers),
        [
            at(2, "127.0.0.1:12"),
            at(3, "10.0.0.3:1"),
            at(1, "127.0.0.1:11"),
            at(4, "10.0.0.4:1"),
        ],
        "near first, one of an unknown region last, and the file's address wins"
    );
    assert!(
        Arc::ptr_eq(&peers.now()[0], &before[0]),
        "n2 stays as it is"
    );
}

#[tokio::test]
async fn the_file_is_read_again_when_a_node_is_heard_of() {
    let dir = tempfile::tempdir().unwrap();
    let peers = peers(dir.path());
    let more = FILE.replace(
        "[rtt]\n",
        "[[node]]\nid = 3\nregion = \"a\"\naddr = \"127.0.0.1:13\"\n[rtt]\n",
    );
    write(dir.path(), &more);
    peers.heard_of(&[announced(3, "a")]).await;
    let (second, third) = (at(2, "127.0.0.1:12"), at(3, "127.0.0.1:13"));
    assert_eq!(addrs(&peers), [second, third, at(1, "127.0.0.1:11")]);
}

#[tokio::test]
async fn a_removed_node_is_not_asked_and_a_wrong_file_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let peers = peers(dir.path());
    for wrong in [
        "nonsense".to_owned(),
        FILE.replace("\"peers\"", "\"others\""),
        FILE.replace("\"a\"", "\"z\"")
            .replace("a = {", "z = {")
            .replace("{ a =", "{ z ="),
    ] {
        write(dir.path(), &wrong);
        peers.read_again().await;
        assert_eq!(peers.now().len(), 2, "{wrong}");
    }
    let gone = v1::CatalogueNode {
        removed: true,
        ..v1::CatalogueNode::clone(&announced(1, "b"))
    };
    peers.heard_of(&[Arc::new(gone)]).await;
    assert_eq!(addrs(&peers), [at(2, "127.0.0.1:12")]);
}
