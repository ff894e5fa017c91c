//! The link against relays that are none, or bad ones.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use countersign_core::relay::{ErrorCode, Frame, MAX_FRAME, RelayUrl};
use countersign_link::{Hello, Link, LinkError};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_tungstenite::{WebSocketStream, accept_async, tungstenite::Message};

type Socket = WebSocketStream<TcpStream>;

async fn listen() -> (TcpListener, RelayUrl) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = RelayUrl::parse(&format!("ws://{}", listener.local_addr().unwrap())).unwrap();
    (listener, url)
}

/// A relay that says `first`, then does as `then` says.
async fn relay<F>(first: Message, then: impl FnOnce(Socket) -> F + Send + 'static) -> (RelayUrl, JoinHandle<F::Output>)
where
    F: Future<Output: Send + 'static> + Send,
{
    let (listener, url) = listen().await;
    let task = tokio::spawn(async move {
        let mut socket = accept_async(listener.accept().await.unwrap().0).await.unwrap();
        socket.send(first).await.unwrap();
        then(socket).await
    });
    (url, task)
}

fn binary(frame: Frame<'_>) -> Message {
    Message::Binary(frame.encode().into())
}

fn hello(version: u8) -> Message {
    binary(Frame::Hello { version, nonce: [3; 32], time: 5 })
}

#[tokio::test]
async fn carries_frames_and_answers_pings() {
    let (url, served) = relay(hello(1), |mut socket: Socket| async move {
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::Binary(vec![1, 2].into()));
        socket.send(Message::Ping(vec![7].into())).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::Pong(vec![7].into()));
        socket.send(Message::Binary(vec![3; MAX_FRAME].into())).await.unwrap();
        assert!(matches!(socket.next().await, Some(Ok(Message::Close(_)))));
    })
    .await;
    let (mut link, first) = Link::connect(&url).await.unwrap();
    assert_eq!(first, Hello { nonce: [3; 32], time: 5 });
    assert!(matches!(link.send(&[0; MAX_FRAME + 1]).await, Err(LinkError::TooBig)));
    link.send(&[1, 2]).await.unwrap();
    // A recv that is given up loses nothing.
    for _ in 0..100 {
        tokio::select! {
            biased;
            () = std::future::ready(()) => {}
            _ = link.recv() => unreachable!("the first branch is always ready"),
        }
    }
    assert_eq!(link.recv().await.unwrap(), vec![3; MAX_FRAME]);
    link.close().await;
    served.await.unwrap();
}

#[tokio::test]
async fn says_what_is_wrong_with_the_relay() {
    let first = |message| async move {
        let (url, _served) = relay(message, |socket| async move { drop(socket) }).await;
        Link::connect(&url).await.err().unwrap()
    };
    assert!(matches!(first(hello(2)).await, LinkError::Version(2)));
    assert!(matches!(first(binary(Frame::Error { code: ErrorCode::ShuttingDown })).await, LinkError::Refused(ErrorCode::ShuttingDown)));
    assert!(matches!(first(Message::Text("hello".into())).await, LinkError::NotARelay(_)));
    assert!(matches!(first(Message::Binary(vec![1, 1].into())).await, LinkError::NotARelay(_)));
    assert!(matches!(first(Message::Close(None)).await, LinkError::Closed));
    assert!(matches!(first(Message::Binary(vec![0; MAX_FRAME + 1].into())).await, LinkError::TooBig));
}

#[tokio::test]
async fn says_that_it_is_no_relay() {
    for (answer, unavailable, text) in [
        ("HTTP/1.1 404 Not Found\r\n\r\n", None, "404"),
        ("SSH-2.0-OpenSSH_9.9\r\n", None, "not a Countersign relay"),
        ("HTTP/1.1 503 Service Unavailable\r\n\r\n", Some(503), "not available now"),
        ("HTTP/1.1 429 Too Many Requests\r\n\r\n", Some(429), "try again in a moment"),
    ] {
        let (listener, url) = listen().await;
        let served = tokio::spawn(async move {
            let mut stream = listener.accept().await.unwrap().0;
            assert_ne!(stream.read(&mut [0; 4096]).await.unwrap(), 0);
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        let error = Link::connect(&url).await.err().unwrap();
        let status = if let LinkError::Unavailable(status) = &error { Some(*status) } else { None };
        assert!(status == unavailable && matches!(error, LinkError::NotARelay(_) | LinkError::Unavailable(_)), "{error:?}");
        assert!(error.to_string().contains(text), "{error}");
        served.await.unwrap();
    }
    let (listener, url) = listen().await;
    drop(listener);
    assert!(matches!(Link::connect(&url).await, Err(LinkError::Unreachable(_))));
}

#[tokio::test]
async fn notices_the_end() {
    let (url, served) = relay(hello(1), |mut socket| async move { socket.close(None).await.unwrap() }).await;
    let (mut link, _) = Link::connect(&url).await.unwrap();
    served.await.unwrap();
    assert!(matches!(link.recv().await, Err(LinkError::Closed)));
    let (url, served) = relay(hello(1), |socket| async move { drop(socket) }).await;
    let (mut link, _) = Link::connect(&url).await.unwrap();
    served.await.unwrap();
    assert!(matches!(link.recv().await, Err(LinkError::Closed | LinkError::Broken(_))));
}
