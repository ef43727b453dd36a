//! The order and transport of queries, and the meaning of failures.

use std::net::{Ipv6Addr, SocketAddrV6};

use hickory_resolver::proto::op::ResponseCode;

use super::*;
use crate::resolver::lookup::test_server::{Build, Transport};

#[test]
fn a_truncated_answer_is_queried_over_tcp() {
    let (answer, asked) = ask_one(|asked, message| {
        Some(match asked.transport {
            Transport::Udp => message.truncated(),
            Transport::Tcp => (0..200).fold(message, |m, n| {
                m.a("contoso.azurecr.io.", 10, [20, 0, 1, n])
            }),
        })
    });
    assert_eq!(answer.v4.unwrap().addresses.len(), 200);
    assert!(
        asked.iter().any(|a| a.transport == Transport::Tcp),
        "{asked:?}"
    );
}

#[test]
fn a_referral_is_not_a_negative_answer() {
    let (answer, _) = ask_one(|_, message| Some(message.referral("azurecr.io.")));
    assert!(
        failure(answer.v4)
            .to_string()
            .contains("not a recursive resolver")
    );
}

#[test]
fn a_server_that_fails_is_queried_again_without_edns() {
    let (answer, asked) = ask_one(|asked, message| {
        Some(match asked.edns {
            true => message.code(ResponseCode::FormErr),
            false => message.a("contoso.azurecr.io.", 10, [20, 0, 0, 1]).aaaa(
                "contoso.azurecr.io.",
                10,
                "2603:1030::1",
            ),
        })
    });
    assert_eq!(addresses(answer.v4), ["20.0.0.1"]);
    assert_eq!(asked.len(), 4);
}

#[test]
fn a_failure_names_the_response_code() {
    for code in [ResponseCode::ServFail, ResponseCode::Refused] {
        let (answer, asked) = ask_one(move |_, message| Some(message.code(code)));
        let expected = LookupFailure::ServerFailure(code.to_string());
        assert_eq!(failure(answer.v4), expected);
        assert_eq!(asked.len(), 2 * ATTEMPTS);
    }
}

#[test]
fn the_families_are_independent() {
    let (answer, _) = ask_one(|asked, message| {
        Some(match asked.is_v4() {
            true => message.a("contoso.azurecr.io.", 10, [20, 0, 0, 1]),
            false => message.code(ResponseCode::ServFail),
        })
    });
    assert_eq!(addresses(answer.v4), ["20.0.0.1"]);
    assert!(answer.v6.is_err());
}

#[test]
fn silence_is_a_timeout() {
    let (answer, _) = ask_one(|_, _| None);
    assert_eq!(failure(answer.v4), LookupFailure::Timeout);
    assert_eq!(failure(answer.v6), LookupFailure::Timeout);
}

#[test]
fn the_server_that_answered_in_place_of_a_failing_one_is_then_queried_first() {
    let good = |_: &ReceivedQuery, m: Message| Some(m.a("contoso.azurecr.io.", 10, [20, 0, 0, 1]));
    run(async {
        let broken = TestServer::start(|_, m| Some(m.code(ResponseCode::ServFail))).await;
        let sound = TestServer::start(good).await;
        let lookup = lookup(&[&broken, &sound]);
        assert_eq!(addresses(lookup.resolve(&contoso()).await.v4), ["20.0.0.1"]);
        let before = broken.received().len();
        assert_eq!(addresses(lookup.resolve(&contoso()).await.v4), ["20.0.0.1"]);
        assert_eq!(broken.received().len(), before);
    });
}

#[test]
fn an_unreachable_server_is_an_io_error() {
    // No interface has this index, so nothing can be sent.
    let server = SocketAddrV6::new("fe80::1".parse().unwrap(), 53, 0, 1_000_000);
    let lookup = Lookup::new(&[server.into()]).unwrap();
    let failure = failure(run(lookup.resolve(&contoso())).v4);
    assert!(matches!(failure, LookupFailure::Io(_)), "{failure:?}");
}

#[test]
fn a_scope_leads_to_the_server() {
    let Some((address, scope)) = link_local() else {
        eprintln!("NOT RUN: no interface here has a link-local address");
        return;
    };
    run(async {
        let bind = SocketAddrV6::new(address, 0, 0, scope);
        let socket = tokio::net::UdpSocket::bind(bind).await.unwrap();
        let server = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut buffer = [0; 512];
            loop {
                let (length, peer) = socket.recv_from(&mut buffer).await.unwrap();
                let question = Message::from_vec(&buffer[..length]).unwrap();
                let mut answer = Message::response(question.id, question.op_code);
                answer.add_query(question.queries[0].clone());
                let answer = answer.a("contoso.azurecr.io.", 10, [20, 0, 0, 1]);
                socket
                    .send_to(&answer.to_vec().unwrap(), peer)
                    .await
                    .unwrap();
            }
        });
        let lookup = Lookup::new(&[server]).unwrap();
        assert_eq!(addresses(lookup.resolve(&contoso()).await.v4), ["20.0.0.1"]);
    });
}

/// A link-local address of this host and its interface, from /proc/net/if_inet6 (proc_net(5)).
fn link_local() -> Option<(Ipv6Addr, u32)> {
    let text = std::fs::read_to_string("/proc/net/if_inet6").ok()?;
    text.lines().find_map(|line| {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        let address = Ipv6Addr::from_bits(u128::from_str_radix(fields[0], 16).ok()?);
        let index = u32::from_str_radix(fields[1], 16).ok()?;
        address.is_unicast_link_local().then_some((address, index))
    })
}

#[test]
fn without_servers_there_is_an_error_and_no_wait() {
    let answer = run(Lookup::new(&[]).unwrap().resolve(&contoso()));
    assert!(failure(answer.v4).to_string().contains("no name server"));
}

#[test]
fn an_answer_with_another_letter_case_is_rejected_over_udp() {
    let (answer, asked) = ask_one(|asked, mut message| {
        if asked.transport == Transport::Udp {
            let lower = message.queries[0].name().to_lowercase();
            message.queries[0].set_name(lower);
        }
        Some(message.a("contoso.azurecr.io.", 10, [20, 0, 0, 1]))
    });
    assert_eq!(addresses(answer.v4), ["20.0.0.1"]);
    let over_tcp = asked
        .iter()
        .any(|a| a.is_v4() && a.transport == Transport::Tcp);
    assert!(over_tcp, "{asked:?}");
}

#[test]
fn an_answer_to_another_question_is_rejected() {
    let (answer, _) = ask_one(|asked, mut message| {
        let other = "evil.azurecr.io.";
        if asked.transport == Transport::Udp {
            return Some(message.truncated());
        }
        message.queries[0].set_name(DnsName::from_ascii(other).unwrap());
        Some(
            message
                .a(other, 10, [20, 0, 0, 2])
                .a("contoso.azurecr.io.", 10, [20, 0, 0, 2]),
        )
    });
    assert!(
        failure(answer.v4)
            .to_string()
            .contains("for another question")
    );
}

#[test]
fn servers_can_be_replaced_while_the_runtime_runs() {
    run(async {
        let one =
            TestServer::start(|_, m| Some(m.a("contoso.azurecr.io.", 10, [20, 0, 0, 1]))).await;
        let two =
            TestServer::start(|_, m| Some(m.a("contoso.azurecr.io.", 10, [20, 0, 0, 2]))).await;
        let mut current = lookup(&[&one]);
        assert_eq!(
            addresses(current.resolve(&contoso()).await.v4),
            ["20.0.0.1"]
        );
        current = lookup(&[&two]);
        assert_eq!(
            addresses(current.resolve(&contoso()).await.v4),
            ["20.0.0.2"]
        );
    });
}
