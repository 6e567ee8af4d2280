//! Tests of one link, without a network.

use super::*;

struct NoPulses;

impl Pulses for NoPulses {
    fn ping(&self, nonce: u64) -> pb::Ping {
        pb::Ping {
            nonce,
            ..Default::default()
        }
    }

    fn answered(&self, _: NodeId, _: Instant, _: &pb::Ping) -> bool {
        true
    }

    fn pinged(&self, _: NodeId, ping: &pb::Ping) -> pb::Ping {
        ping.clone()
    }

    fn stamped(&self, _: NodeId, _: u64, _: u64) -> Option<Instant> {
        None
    }

    fn greeted(&self, _: NodeId) {}

    fn claimed(&self, _: NodeId, _: pb::Claims) {}

    fn nudged(&self, _: GroupId, _: bool) {}
}

fn link_to_two() -> Arc<Link> {
    Link::new(NodeId::new(2), Duration::from_millis(1), Arc::new(NoPulses))
}

fn connect(link: &Link) -> mpsc::Receiver<pb::Frame> {
    let (outbound, sent) = mpsc::channel(16);
    link.connected(outbound);
    sent
}

fn vote_body() -> pb::frame::Body {
    pb::frame::Body::Vote(pb::VoteRequest::default())
}

#[tokio::test]
async fn call_on_a_link_that_is_down_fails_at_once() {
    let link = link_to_two();
    let error = link
        .call(GroupId::new(1), vote_body())
        .await
        .expect_err("down");
    assert_eq!(error, LinkError::Down(NodeId::new(2)));
}

#[tokio::test(start_paused = true)]
async fn a_peer_is_silent_since_its_last_frame_or_since_there_is_a_link_to_it() {
    let link = link_to_two();
    tokio::time::advance(Duration::from_secs(3)).await;
    assert_eq!(link.silence(), Duration::from_secs(3));
    let _outbound = connect(&link);
    assert_eq!(link.silence(), Duration::from_secs(3), "nothing came yet");
    link.received(pb::Frame::default());
    assert_eq!(link.silence(), Duration::ZERO);
    tokio::time::advance(Duration::from_secs(1)).await;
    link.disconnected();
    assert_eq!(link.silence(), Duration::from_secs(1));
}

#[tokio::test]
async fn broken_connection_wakes_everyone_who_waits() {
    let link = link_to_two();
    let mut outbound = connect(&link);
    let call = link.call(GroupId::new(1), vote_body());
    let breaker = async {
        outbound.recv().await.expect("the frame was sent");
        link.disconnected();
    };
    let (answer, ()) = tokio::join!(call, breaker);
    assert_eq!(
        answer.expect_err("broken"),
        LinkError::Broken(NodeId::new(2))
    );
}

#[tokio::test]
async fn broken_connection_ends_what_travels_beside_it() {
    let link = link_to_two();
    let never = std::future::pending::<()>();
    assert_eq!(
        link.while_connected(never).await,
        Err(LinkError::Down(NodeId::new(2)))
    );
    let (outbound, _frames) = mpsc::channel(1);
    link.connected(outbound);
    let never = std::future::pending::<()>();
    let breaker = async { link.disconnected() };
    let (ended, ()) = tokio::join!(link.while_connected(never), breaker);
    assert_eq!(ended, Err(LinkError::Broken(NodeId::new(2))));
}

#[tokio::test]
async fn whoever_waits_for_a_connection_goes_on_when_it_is_there() {
    let link = link_to_two();
    let connector = async {
        tokio::task::yield_now().await;
        connect(&link)
    };
    let ((), _frames) = tokio::join!(link.until_connected(), connector);
    link.until_connected().await;
}

#[tokio::test]
async fn answer_goes_to_the_session_that_asked() {
    let link = link_to_two();
    let mut outbound = connect(&link);
    let call = link.call(GroupId::new(1), vote_body());
    let peer = async {
        let asked = outbound.recv().await.expect("the frame was sent");
        let reply = pb::frame::Body::VoteReply(pb::VoteReply {
            granted: true,
            ..Default::default()
        });
        link.received(pb::Frame {
            group: 1,
            session: asked.session + 7,
            body: Some(reply.clone()),
        });
        link.received(pb::Frame {
            group: 1,
            session: asked.session,
            body: Some(reply),
        });
    };
    let (answer, ()) = tokio::join!(call, peer);
    assert!(matches!(answer, Ok(pb::frame::Body::VoteReply(reply)) if reply.granted));
    assert!(link.state().waiters.is_empty());
}

#[tokio::test]
async fn caller_that_gives_up_leaves_no_waiter() {
    let link = link_to_two();
    let _outbound = connect(&link);
    let call = link.call(GroupId::new(1), vote_body());
    assert!(
        tokio::time::timeout(Duration::from_millis(5), call)
            .await
            .is_err()
    );
    assert!(link.state().waiters.is_empty());
}

#[tokio::test]
async fn full_queue_has_room_for_what_the_node_says_of_itself() {
    let link = link_to_two();
    let _outbound = connect(&link);
    let tell = |body| link.tell(GroupId::new(1), 0, body);
    while tell(vote_body()).is_ok() {}
    assert_eq!(tell(vote_body()), Err(LinkError::Full(NodeId::new(2))));
    let claims = pb::frame::Body::Claims(pb::Claims::default());
    assert_eq!(tell(claims), Ok(()));
}
