//! Packets made by hand, right and wrong.

use super::*;

/// A query for `a.` with these additional bytes.
fn query(additional: &[u8], records: u8) -> Vec<u8> {
    let mut packet = vec![7, 9, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, records];
    packet.extend_from_slice(&[1, b'a', 0, 0, 1, 0, 1]);
    packet.extend_from_slice(additional);
    packet
}

/// An OPT with one option.
fn opt(code: u8, value: &[u8]) -> Vec<u8> {
    let length = u8::try_from(value.len()).unwrap();
    let mut bytes = vec![
        0,
        0,
        41,
        4,
        208,
        0,
        0,
        0,
        0,
        0,
        length + 4,
        0,
        code,
        0,
        length,
    ];
    bytes.extend_from_slice(value);
    bytes
}

fn code_of(packet: &[u8]) -> Option<ResponseCode> {
    match look(packet) {
        Look::Refuse(refusal) => Some(refusal.code),
        Look::Silence | Look::Query(_) => None,
    }
}

#[test]
fn what_is_too_short_or_an_answer_gets_silence() {
    for length in 0..HEADER_BYTES {
        assert_eq!(look(&vec![0; length]), Look::Silence);
    }
    let mut response = query(&[], 0);
    response[2] |= 0x80;
    assert_eq!(look(&response), Look::Silence);
    response.truncate(13);
    assert_eq!(look(&response), Look::Silence, "also a malformed one");
}

#[test]
fn other_opcodes_are_not_implemented() {
    for opcode in 1..16 {
        let mut packet = query(&[], 0);
        packet[2] = opcode << 3;
        assert_eq!(code_of(&packet), Some(ResponseCode::NotImp));
        let Look::Refuse(refusal) = look(&packet) else {
            panic!("refused")
        };
        let answer = refusal.to_bytes();
        assert_eq!(answer.len(), HEADER_BYTES);
        assert_eq!((answer[0], answer[1]), (7, 9), "its own id");
        assert_eq!(answer[2], 0x80 | (opcode << 3));
        assert_eq!(answer[3], 4);
    }
}

#[test]
fn a_subnet_in_the_right_form_is_seen() {
    let seen = |value: &[u8]| match look(&query(&opt(8, value), 1)) {
        Look::Query(query) => query.subnet.map(|s| (s.addr.to_string(), s.source_bits)),
        other => panic!("{value:?}: {other:?}"),
    };
    let expected = |addr: &str, bits| Some((addr.to_owned(), bits));
    assert_eq!(seen(&[0, 1, 24, 0, 192, 0, 2]), expected("192.0.2.0", 24));
    assert_eq!(seen(&[0, 1, 20, 0, 192, 0, 16]), expected("192.0.16.0", 20));
    assert_eq!(seen(&[0, 1, 0, 0]), expected("0.0.0.0", 0));
    let six = [0, 2, 32, 0, 0x20, 0x01, 0x0d, 0xb8];
    assert_eq!(seen(&six), expected("2001:db8::", 32));
}

#[test]
fn a_subnet_in_the_wrong_form_is_a_format_error_with_an_opt_of_ours() {
    let cases: &[(&str, &[u8])] = &[
        ("too short to be one", &[0, 1, 24]),
        ("a byte too few", &[0, 1, 24, 0, 192, 0]),
        ("a byte too many", &[0, 1, 24, 0, 192, 0, 2, 0]),
        ("a bit behind the prefix", &[0, 1, 20, 0, 192, 0, 1]),
        ("a scope in a query", &[0, 1, 24, 24, 192, 0, 2]),
        (
            "33 bits of an IPv4 address",
            &[0, 1, 33, 0, 1, 2, 3, 4, 128],
        ),
        ("a family that nobody knows", &[0, 3, 8, 0, 1]),
    ];
    for (what, value) in cases {
        let packet = query(&opt(8, value), 1);
        let Look::Refuse(refusal) = look(&packet) else {
            panic!("{what}: not refused")
        };
        assert_eq!(refusal.code, ResponseCode::FormErr, "{what}");
        let answer = hickory_proto::op::Message::from_vec(&refusal.to_bytes()).unwrap();
        assert!(answer.edns.is_some(), "{what}");
        assert_eq!(answer.queries.len(), 1, "{what}");
    }
    let twice = [opt(8, &[0, 1, 0, 0]), vec![0, 8, 0, 4, 0, 1, 0, 0]].concat();
    let mut twice = query(&twice, 1);
    twice[29] = 16;
    assert_eq!(code_of(&twice), Some(ResponseCode::FormErr));
}

#[test]
fn cookies_have_the_lengths_of_the_standard() {
    for length in 0..=48 {
        let right = length == 8 || (16..=40).contains(&length);
        let packet = query(&opt(10, &vec![1; length]), 1);
        match look(&packet) {
            Look::Query(query) => {
                assert!(right, "{length}");
                let ours = query.cookie.unwrap().server.is_some();
                assert_eq!(ours, length == 24, "{length}");
            }
            Look::Refuse(refusal) => {
                assert!(!right, "{length}");
                assert_eq!(refusal.code, ResponseCode::FormErr);
            }
            Look::Silence => panic!("{length}: silence"),
        }
    }
}

#[test]
fn what_does_not_add_up_is_a_format_error() {
    let two_opts = [opt(3, &[]), opt(3, &[])].concat();
    let mut in_answers = query(&opt(3, &[]), 0);
    in_answers[7] = 1;
    let mut pointed = query(&[], 0);
    pointed.splice(12..15, [0xc0, 12]);
    let mut many = query(&[], 0);
    many[4] = 0xff;
    let mut none = query(&[], 0);
    none[5] = 0;
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("two OPTs", query(&two_opts, 2)),
        ("an OPT among the answers", in_answers),
        ("a record that is not there", query(&[], 1)),
        ("bytes behind the end", query(&[1], 0)),
        ("a question that points to itself", pointed),
        ("65,281 questions", many),
        ("no question", none),
        ("records beyond reason", query(&[], 255)),
    ];
    for (what, packet) in cases {
        assert_eq!(code_of(&packet), Some(ResponseCode::FormErr), "{what}");
    }
}

#[test]
fn every_beginning_of_a_good_packet_gets_silence_or_a_format_error() {
    let whole = query(&opt(8, &[0, 1, 24, 0, 192, 0, 2]), 1);
    assert!(matches!(look(&whole), Look::Query(_)));
    for cut in 0..whole.len() {
        match look(&whole[..cut]) {
            Look::Silence => assert!(cut < HEADER_BYTES),
            Look::Refuse(refusal) => assert_eq!(refusal.code, ResponseCode::FormErr),
            Look::Query(_) => panic!("{cut} bytes are not a query"),
        }
    }
}

#[test]
fn a_truncated_answer_repeats_the_question_and_nothing_else() {
    let answer = truncated(&query(&opt(3, &[]), 1)).unwrap();
    let answer = hickory_proto::op::Message::from_vec(&answer).unwrap();
    assert!(answer.metadata.truncation);
    assert_eq!((answer.queries.len(), answer.answers.len()), (1, 0));
}
