//! What must not be reached is not even connected to.

use std::{
    io::{BufRead, Write},
    process::{Command, Stdio},
};

use jobs_outbound::{Allowed, Cause, Method, Outbound, OutboundConfig, Redirects, Refused, Request};

use crate::{
    FRIEND, INSIDE, asking, config,
    names::Names,
    outbound,
    receiver::{Receiver, moved, ok},
};

fn get(url: &str) -> Request {
    Request::new(Method::GET, url)
}

async fn cause(outbound: &Outbound, request: Request) -> Cause {
    match outbound.send(request).await {
        Ok(answer) => panic!("{} was reached", answer.url),
        Err(err) => err.cause,
    }
}

/// Hosts that are this machine, in spellings that some client or other connects to.
const LOOPBACK: [&str; 17] = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "127.000.000.001",
    "0x7f.1",
    "0x7F000001",
    "0x7f.0x0.0x0.0x1",
    "0177.0.0.1",
    "017700000001",
    "2130706433",
    "%31%32%37.0.0.1",
    "１２７.0.0.1",
    "127。0。0。1",
    "①②⑦.⓪.⓪.①",
    "127.0.0.1.",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
];

/// Hosts that are inside of somebody's network.
const INTERNAL: [&str; 34] = [
    "0.0.0.0",
    "0",
    "0x0",
    "127.255.255.254",
    "10.0.0.1",
    "10.255.255.255",
    "012.1.2.3",
    "100.64.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "169.254.169.254",
    "2852039166",
    "0xa9.0xfe.0xa9.0xfe",
    "0251.0376.0251.0376",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.168.0.1",
    "192.168.257",
    "198.18.0.1",
    "203.0.113.7",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::127.0.0.1]",
    "[64:ff9b::169.254.169.254]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::]",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "[ff02::1]",
];

#[tokio::test]
async fn no_spelling_of_an_internal_address_is_connected_to() {
    let victim = Receiver::answering(INSIDE, |_| ok("secret")).await;
    let port = victim.address.port();
    // The port is allowed, so that nothing but the address can be the reason.
    let allowed = Allowed { ports: vec![port], ..Allowed::default() };
    let guarded = Outbound::new(OutboundConfig { allowed, ..config() }).unwrap();

    for host in LOOPBACK.into_iter().chain(INTERNAL) {
        let cause = cause(&guarded, get(&format!("http://{host}:{port}/"))).await;
        assert!(matches!(cause, Cause::Refused(Refused::Address { .. })), "{host}: {cause:?}");
    }
    assert_eq!(victim.connections(), 0);

    // The control: these are spellings that connect, when nobody minds.
    let networks = vec!["0.0.0.0/0".parse().unwrap()];
    let allowed = Allowed { networks, ..Allowed::default() };
    let open = Outbound::new(OutboundConfig { allowed, idle_per_host: 0, ..config() }).unwrap();
    for (nth, host) in LOOPBACK.into_iter().enumerate() {
        open.send(get(&format!("http://{host}:{port}/"))).await.unwrap_or_else(|err| panic!("{host}: {err}"));
        assert_eq!(victim.connections(), nth + 1, "{host}");
    }
}

#[tokio::test]
async fn no_name_that_leads_inside_is_connected_to() {
    let victim = Receiver::answering(INSIDE, |_| ok("secret")).await;
    let port = victim.address.port();
    let names = Names::serve(&[
        ("private.test", &[&["10.0.0.1"]]),
        ("loopback.test", &[&["127.0.0.1"]]),
        ("metadata.test", &[&["169.254.169.254"]]),
        ("six.test", &[&["::1"]]),
        ("mapped.test", &[&["::ffff:127.0.0.1"]]),
        ("nat64.test", &[&["64:ff9b::7f00:1"]]),
        ("unique-local.test", &[&["fd00:ec2::254"]]),
        ("mixed.test", &[&["127.0.0.2", "127.0.0.1"]]),
        ("public-and-private.test", &[&["93.184.216.34", "192.168.0.1"]]),
        ("mixed-families.test", &[&["127.0.0.2", "::1"]]),
    ])
    .await;
    let allowed = Allowed { networks: vec![FRIEND.into()], ports: vec![port], ..Allowed::default() };
    let outbound = asking(names.address, OutboundConfig { allowed, ..config() });

    for name in [
        "private.test",
        "PRIVATE.test.",
        "loopback.test",
        "metadata.test",
        "six.test",
        "mapped.test",
        "nat64.test",
        "unique-local.test",
        "mixed.test",
        "public-and-private.test",
        "mixed-families.test",
        // Names that are answered without a server, or by a file.
        "localhost",
        "a.localhost",
    ] {
        let cause = cause(&outbound, get(&format!("http://{name}:{port}/"))).await;
        assert!(matches!(cause, Cause::Refused(Refused::Address { .. })), "{name}: {cause:?}");
    }
    assert_eq!(victim.connections(), 0);
}

#[tokio::test]
async fn a_name_that_changes_between_check_and_connect_changes_nothing() {
    let victim = Receiver::answering(INSIDE, |_| ok("secret")).await;
    let port = victim.address.port();
    let friend = Receiver::bound((FRIEND, port).into(), |_| {
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".into()
    })
    .await;
    // Whoever looked twice would be judged by the first answer and connected to the second.
    let names = Names::serve(&[("rebind.test", &[&["127.0.0.2"], &["127.0.0.1"]])]).await;
    let outbound = asking(names.address, config());
    let url = format!("http://rebind.test:{port}/");

    let answer = outbound.send(get(&url)).await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!((friend.connections(), victim.connections()), (1, 0));
    assert_eq!(names.queries(), 2, "one look-up, of two families");

    // The next connection is judged anew.
    let cause = cause(&outbound, get(&url)).await;
    assert!(matches!(cause, Cause::Refused(Refused::Address { .. })), "{cause:?}");
    assert_eq!((friend.connections(), victim.connections()), (1, 0));
}

#[tokio::test]
async fn no_redirect_leads_inside() {
    let victim = Receiver::answering(INSIDE, |_| ok("secret")).await;
    let port = victim.address.port();
    let friend = Receiver::answering(FRIEND, |seen| {
        let (_, path) = seen.head.split_once("/to/").unwrap();
        let (location, _) = path.split_once(' ').unwrap();
        moved(302, &location.replace("|", "/"))
    })
    .await;
    let names = Names::serve(&[("loopback.test", &[&["127.0.0.1"]])]).await;
    let outbound = asking(names.address, config());

    for location in [
        "http:||127.0.0.1:PORT|",
        "||127.0.0.1:PORT|",
        "http:||127.1:PORT|",
        "http:||0x7f.1:PORT|",
        "http:||2130706433:PORT|",
        "http:||[::ffff:127.0.0.1]:PORT|",
        "http:||[::1]:PORT|",
        "http:||loopback.test:PORT|",
        "http:||localhost:PORT|",
        "https:||127.0.0.1:PORT|",
        "http:||user@127.0.0.1:PORT|",
        "file:|||etc|passwd",
        "gopher:||127.0.0.1:PORT|",
    ] {
        let url = format!("{}to/{}", friend.url(), location.replace("PORT", &port.to_string()));
        let cause = cause(&outbound, get(&url).redirects(Redirects::Follow(5))).await;
        assert!(matches!(cause, Cause::Refused(_)), "{location}: {cause:?}");
    }
    assert_eq!(victim.connections(), 0);
    assert!(friend.connections() > 0);
}

#[tokio::test]
async fn ports_of_other_services_are_refused_wherever_they_are() {
    let names = Names::serve(&[("public.test", &[&["93.184.216.34"]])]).await;
    let outbound = asking(names.address, config());
    for port in [1, 22, 25, 53, 3306, 5432, 6379, 9200, 11211] {
        for host in ["93.184.216.34", "public.test"] {
            let cause = cause(&outbound, get(&format!("http://{host}:{port}/"))).await;
            assert_eq!(cause, Cause::Refused(Refused::Port(port)), "{host}");
        }
    }
}

#[tokio::test]
async fn headers_that_would_smuggle_a_request_are_refused() {
    let friend = Receiver::answering(FRIEND, |_| ok("")).await;
    for name in
        ["host", "transfer-encoding", "content-length", "connection", "upgrade", "expect", "te", "proxy-authorization"]
    {
        let request = get(&friend.url()).header(name.parse().unwrap(), "x".parse().unwrap());
        assert_eq!(cause(&outbound(), request).await, Cause::Refused(Refused::Header(name.into())));
    }
    for method in ["CONNECT", "TRACE"] {
        let request = Request::new(method.parse().unwrap(), friend.url());
        assert!(matches!(cause(&outbound(), request).await, Cause::Refused(Refused::Method(_))));
    }
    assert_eq!(friend.connections(), 0);
}

#[tokio::test]
async fn what_is_said_of_a_refusal_does_not_say_where_a_name_leads() {
    let names = Names::serve(&[("inside.test", &[&["10.20.30.40"]])]).await;
    let err = asking(names.address, config()).send(get("http://inside.test/?token=secret")).await.err().unwrap();
    assert_eq!(err.to_string(), r#"the host "inside.test" leads to an address that may not be requested"#);
    assert_eq!(err.cause.code(), "address_refused");
}

#[tokio::test]
async fn proxies_of_the_environment_are_not_asked() {
    let proxy = Receiver::answering(FRIEND, |_| ok("from the proxy")).await;
    let friend = Receiver::answering(FRIEND, |_| ok("direct")).await;
    let url = friend.url();
    let variables = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let environment: Vec<_> = variables.iter().map(|name| (*name, proxy.url())).collect();
    let said = tokio::task::spawn_blocking(move || {
        child("refusals::asks_for_one_url", &[], |command| command.envs(environment), &url)
    });
    let said = said.await.unwrap();
    assert!(said.contains("ANSWER direct"), "{said}");
    assert_eq!((friend.connections(), proxy.connections()), (1, 0));
}

/// In a network of its own this machine has a public address, which no table knows.
#[tokio::test]
async fn this_machine_is_not_reached_by_its_public_address() {
    let setup = "ip link set lo up && ip addr add 93.184.216.34/32 dev lo && exec \"$@\"";
    let unshare = ["unshare", "-rn", "sh", "-c", setup, "sh"];
    let can = Command::new("unshare").args(["-rn", "sh", "-c", setup, "sh", "true"]).output();
    if !can.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: no network namespaces here (unshare -rn, ip)");
        return;
    }
    let said = tokio::task::spawn_blocking(move || child("refusals::asks_itself", &unshare, |command| command, ""))
        .await
        .unwrap();
    assert!(said.contains("REFUSED 0"), "{said}");
}

#[tokio::test]
#[ignore = "another test runs it in a process of its own"]
async fn asks_for_one_url() {
    let mut url = String::new();
    std::io::stdin().lock().read_line(&mut url).unwrap();
    let mut answer = outbound().send(get(url.trim())).await.unwrap();
    println!("ANSWER {}", String::from_utf8_lossy(&answer.body.all().await.unwrap()));
}

#[tokio::test]
#[ignore = "another test runs it in a network of its own"]
async fn asks_itself() {
    let myself = Receiver::bound("93.184.216.34:8080".parse().unwrap(), |_| ok("me")).await;
    let cause = cause(&outbound(), get(&myself.url())).await;
    assert!(matches!(cause, Cause::Refused(Refused::Address { .. })), "{cause:?}");
    // The connection was made, and closed without a byte.
    println!("REFUSED {}", myself.seen().len());
}

/// Runs a test of this program in a process of its own, behind `before`, and gives what it printed.
fn child(test: &str, before: &[&str], set: impl FnOnce(&mut Command) -> &mut Command, input: &str) -> String {
    let this = std::env::current_exe().unwrap();
    let mut command = match before {
        [] => Command::new(&this),
        [program, arguments @ ..] => {
            let mut command = Command::new(program);
            command.args(arguments).arg(&this);
            command
        }
    };
    command
        .args(["--exact", test, "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = set(&mut command).spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{input}\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
