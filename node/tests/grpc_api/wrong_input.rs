//! Bad input is answered with the field and the reason, and nothing happens.

use holdfast_node::{
    config::{Config, Overrides},
    server::{Server, Surroundings},
};
use holdfast_node_api::{
    codes,
    v1::{self, FailureCode},
};

use crate::node::{
    LONG, NodeUnderTest, TOPOLOGY, failure_of, hold_seats, rejection_of, show_request,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_command_names_its_field() {
    let node = NodeUnderTest::start().await;
    let show = node.show(0).await;
    let good = v1::SubmitRequest {
        show_id: show.id,
        caller: vec![1; 16].into(),
        idempotency_key: "k".to_owned(),
        command: Some(hold_seats(&[0])),
        ..v1::SubmitRequest::default()
    };
    let bad = [
        (
            "caller",
            v1::SubmitRequest {
                caller: vec![1; 3].into(),
                ..good.clone()
            },
        ),
        (
            "idempotency_key",
            v1::SubmitRequest {
                idempotency_key: String::new(),
                ..good.clone()
            },
        ),
        (
            "command",
            v1::SubmitRequest {
                command: None,
                ..good.clone()
            },
        ),
    ];
    for (field, request) in bad {
        let over_pipe = failure_of(
            node.client
                .pipe()
                .submit(request.clone(), LONG)
                .await
                .unwrap(),
        );
        assert_eq!(
            (over_pipe.code(), over_pipe.field.as_str()),
            (FailureCode::Invalid, field)
        );
        let unary = node
            .client
            .inventory()
            .submit(request)
            .await
            .unwrap()
            .into_inner();
        assert_eq!(failure_of(unary).field, field);
    }
    let elsewhere = v1::SubmitRequest {
        show_id: 99,
        ..good
    };
    let unknown = failure_of(node.client.pipe().submit(elsewhere, LONG).await.unwrap());
    assert_eq!(unknown.code(), FailureCode::UnknownShow);
    let no_seat = rejection_of(show.submit(1, "no-seat", hold_seats(&[600])).await);
    assert_eq!(
        (no_seat.code.as_str(), no_seat.seats.as_slice()),
        ("seat_unknown", &[600][..])
    );
    node.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_of_what_is_not_there_or_not_yours_carry_a_public_code() {
    let node = NodeUnderTest::start().await;
    let show = node.show(0).await;
    show.submit(1, "hold", hold_seats(&[0])).await;
    let hold = |show_id, hold_id, caller: Vec<u8>| v1::GetHoldRequest {
        show_id,
        hold_id,
        caller: caller.into(),
        read: None,
    };
    let cases = [
        (hold(99, 1, vec![1; 16]), "unknown_show"),
        (hold(show.id, 99, vec![1; 16]), "hold_unknown"),
        (hold(show.id, 1, vec![2; 16]), "hold_not_yours"),
        (hold(show.id, 1, vec![2; 5]), "invalid"),
    ];
    for (request, code) in cases {
        let status = node.client.inventory().get_hold(request).await.unwrap_err();
        assert_eq!(
            codes::of_status(&status).map(|row| row.code),
            Some(code),
            "{status:?}"
        );
    }
    node.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalogue_change_that_cannot_be_is_refused_by_name() {
    let node = NodeUnderTest::start().await;
    let mut directory = node.client.directory();
    let plan = v1::ImportPlanRequest {
        slug: "x".to_owned(),
        plan_json: "{}".to_owned(),
    };
    let reply = directory.import_plan(plan).await.unwrap().into_inner();
    assert!(!reply.problems.is_empty() && reply.plan_id == 0);
    let good = show_request(1, 1, 0);
    let cases = [
        (
            v1::CreateShowRequest {
                home_region: "mars".to_owned(),
                ..good.clone()
            },
            "home_region",
        ),
        (
            v1::CreateShowRequest {
                currency: "euro".to_owned(),
                ..good.clone()
            },
            "currency",
        ),
        (
            v1::CreateShowRequest {
                single_seat_rule: "x".to_owned(),
                ..good.clone()
            },
            "single_seat_rule",
        ),
        (good, "event"),
    ];
    for (request, named) in cases {
        let status = directory.create_show(request).await.unwrap_err();
        assert!(status.message().contains(named), "{status:?}");
        assert!(codes::of_status(&status).is_some(), "{status:?}");
    }
    node.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_the_topology_does_not_name_leaves_the_data_dir_alone() {
    let dir = tempfile::tempdir().unwrap();
    let topology = dir.path().join("topology.toml");
    std::fs::write(&topology, TOPOLOGY).unwrap();
    let data_dir = dir.path().join("data");
    let overrides = Overrides {
        node_id: Some(9),
        data_dir: Some(data_dir.clone()),
        topology: Some(topology),
        grpc_listen: Some("127.0.0.1:0".to_owned()),
        http_listen: Some("127.0.0.1:0".to_owned()),
        ..Overrides::default()
    };
    let config = Config::load(None, overrides).unwrap();
    let refused = Server::start(config, Surroundings::default())
        .await
        .map(|_| ())
        .unwrap_err();
    assert!(refused.to_string().contains("n9"), "{refused}");
    assert!(!data_dir.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_named_with_its_field() {
    let node = NodeUnderTest::start().await;
    let overrides = Overrides {
        node_id: Some(1),
        data_dir: Some(node.dir.path().join("other")),
        topology: Some(node.dir.path().join("topology.toml")),
        grpc_listen: Some(node.server.grpc_addr.to_string()),
        ..Overrides::default()
    };
    let config = Config::load(None, overrides).unwrap();
    let refused = Server::start(config, Surroundings::default())
        .await
        .map(|_| ())
        .unwrap_err();
    let text = refused.to_string();
    assert!(
        text.contains("grpc_listen") && text.contains(&node.server.grpc_addr.to_string()),
        "{text}"
    );
    node.server.stop().await;
}
