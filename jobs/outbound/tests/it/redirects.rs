//! Where a request goes when it is told to go elsewhere.

use jobs_outbound::{Cause, Failure, HeaderValue, Method, Redirects, Request, header};

use crate::{
    FRIEND, outbound,
    receiver::{Receiver, moved, ok},
};

#[tokio::test]
async fn a_redirect_is_an_answer_unless_it_is_to_be_followed() {
    let receiver = Receiver::answering(FRIEND, |_| moved(302, "/elsewhere")).await;
    let answer = outbound().send(Request::new(Method::POST, receiver.url())).await.unwrap();
    assert_eq!(answer.status, 302);
    assert_eq!(answer.headers[header::LOCATION], "/elsewhere");
    assert_eq!(receiver.seen().len(), 1);
}

#[tokio::test]
async fn a_chain_is_followed_to_its_end_and_no_further_than_allowed() {
    let receiver = Receiver::answering(FRIEND, |seen| {
        let nth: u32 = seen.head[5..6].parse().unwrap();
        if nth == 3 { ok("here") } else { moved(307, &format!("{}?from={nth}", nth + 1)) }
    })
    .await;
    let request = |most| Request::new(Method::GET, format!("{}0", receiver.url())).redirects(Redirects::Follow(most));

    let mut answer = outbound().send(request(3)).await.unwrap();
    assert_eq!(answer.body.all().await.unwrap(), "here");
    assert_eq!((answer.redirects, answer.url.path(), answer.url.query()), (3, "/3", Some("from=2")));

    let err = outbound().send(request(2)).await.err().unwrap();
    assert_eq!(err.cause, Cause::Failed(Failure::Redirects(2)));

    let circle = Receiver::answering(FRIEND, |_| moved(302, "/")).await;
    let err =
        outbound().send(Request::new(Method::GET, circle.url()).redirects(Redirects::Follow(5))).await.err().unwrap();
    assert_eq!(err.cause.code(), "too_many_redirects");
    assert_eq!(circle.seen().len(), 6);
}

#[tokio::test]
async fn credentials_do_not_go_to_another_origin() {
    let other = Receiver::answering(FRIEND, |_| ok("")).await;
    let location = other.url();
    let first = Receiver::answering(FRIEND, move |seen| {
        if seen.head.starts_with("post / ") { moved(307, "/again") } else { moved(307, &location) }
    })
    .await;
    let mut key = HeaderValue::from_static("canary-key");
    key.set_sensitive(true);
    let request = Request::new(Method::POST, first.url())
        .header(header::AUTHORIZATION, HeaderValue::from_static("Bearer canary"))
        .header(header::COOKIE, HeaderValue::from_static("session=canary"))
        .header("x-api-key".parse().unwrap(), key)
        .header("x-plain".parse().unwrap(), HeaderValue::from_static("kept"))
        .body("body")
        .redirects(Redirects::Follow(5));
    outbound().send(request).await.unwrap();

    let [before, again] = &first.seen()[..] else { panic!("two requests") };
    assert_eq!(before.head.matches("canary").count(), 3);
    assert_eq!(again.head.matches("canary").count(), 3, "the same origin");
    let [there] = &other.seen()[..] else { panic!("one request") };
    assert!(!there.head.contains("canary"), "{}", there.head);
    assert!(
        there.head.contains("x-plain: kept") && there.head.contains(&format!("host: {}", other.address)),
        "{}",
        there.head
    );
    assert_eq!(there.body, b"body");
}

#[tokio::test]
async fn a_post_that_is_shown_a_result_gets_it() {
    let receiver =
        Receiver::answering(
            FRIEND,
            |seen| {
                if seen.head.starts_with("post") { moved(303, "/result") } else { ok("result") }
            },
        )
        .await;
    let request = Request::new(Method::POST, receiver.url()).body("{}").redirects(Redirects::Follow(1));
    let request = request.header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    assert_eq!(outbound().send(request).await.unwrap().body.all().await.unwrap(), "result");
    let [_, result] = &receiver.seen()[..] else { panic!("two requests") };
    assert!(result.head.starts_with("get /result ") && !result.head.contains("content-type"), "{}", result.head);
    assert!(result.body.is_empty());
}
