//! A push service that answers as it is told and keeps what it received.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

/// One POST that came in.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Received {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
    }
}

/// What to answer.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// A status and further header lines.
    Status(u16, &'static str),
    /// Nothing, ever.
    Silence,
    /// Headers without end.
    Endless,
}

pub(crate) struct PushService {
    pub(crate) address: SocketAddr,
    received: UnboundedReceiver<Received>,
}

impl PushService {
    /// Gives these answers, then always the last one.
    pub(crate) async fn start(answers: &[Answer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, received) = unbounded_channel();
        let answers = Arc::new(Mutex::new(VecDeque::from(answers.to_vec())));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut answers = answers.lock().unwrap();
                let answer = if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0].clone() };
                tokio::spawn(serve(stream, answer, sender.clone()));
            }
        });
        Self { address, received }
    }

    /// An endpoint of this service.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}/send/secret-token?x=1", self.address)
    }

    pub(crate) async fn received(&mut self) -> Received {
        self.received.recv().await.unwrap()
    }

    /// How many came in that were not taken yet.
    pub(crate) fn more(&mut self) -> usize {
        std::iter::from_fn(|| self.received.try_recv().ok()).count()
    }
}

async fn serve(mut stream: TcpStream, answer: Answer, received: UnboundedSender<Received>) {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
    };
    let mut one = Received { head: String::from_utf8(bytes[..head].to_vec()).unwrap(), body: bytes[head..].to_vec() };
    let length: usize = one.header("content-length").unwrap().parse().unwrap();
    while one.body.len() < length {
        assert_ne!(stream.read_buf(&mut one.body).await.unwrap(), 0);
    }
    // The receiver may be gone with its test.
    let _ = received.send(one);
    match answer {
        Answer::Status(status, headers) => {
            let text = format!("HTTP/1.1 {status} Whatever\r\nContent-Length: 2\r\n{headers}\r\nok");
            stream.write_all(text.as_bytes()).await.unwrap();
        }
        Answer::Silence => std::future::pending().await,
        Answer::Endless => {
            let _ = stream.write_all(b"HTTP/1.1 201 Created\r\n").await;
            // Until the other side has had enough.
            while stream.write_all(&[b"X-Filler: ".as_slice(), &[b'a'; 1000], b"\r\n"].concat()).await.is_ok() {}
        }
    }
}
