//! From a TCP connection to a WebSocket at `/v1`.

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async_with_config,
    tungstenite::{
        Error,
        handshake::server::{ErrorResponse, Request, Response},
        http::{HeaderValue, StatusCode, header},
        protocol::{Role, WebSocketConfig},
    },
};

use crate::limits::MAX_FRAME;

const PATH: &str = "/v1";
const NOT_FOUND: &str = "This is a Countersign relay. It has one address: a WebSocket at /v1.\n";
const NOT_A_WEBSOCKET: &[u8] = b"HTTP/1.1 426 Upgrade Required\r\nConnection: close, Upgrade\r\nUpgrade: websocket\r\n\
    Content-Type: text/plain\r\nContent-Length: 69\r\n\r\n\
    This is a Countersign relay. It has one address: a WebSocket at /v1.\n";

/// Every limit by hand: tungstenite's own are made for big messages and few connections.
fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(4 * 1024)
        .write_buffer_size(0)
        .max_write_buffer_size(2 * MAX_FRAME)
        .max_message_size(Some(MAX_FRAME))
        .max_frame_size(Some(MAX_FRAME))
        .accept_unmasked_frames(false)
}

/// Answers the WebSocket handshake; `None` if it was none (and was told so).
pub(crate) async fn accept<S>(mut stream: S) -> Option<WebSocketStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // Borrowed: if this is no WebSocket handshake at all, the stream is still there for an answer.
    match accept_hdr_async_with_config(&mut stream, check_path, Some(config())).await {
        Ok(_) => {}
        Err(Error::Protocol(_) | Error::HttpFormat(_)) => {
            // A courtesy; if it can't be written, the other side is gone.
            let _ = stream.write_all(NOT_A_WEBSOCKET).await;
            let _ = stream.shutdown().await;
            return None;
        }
        Err(_) => {
            let _ = stream.shutdown().await;
            return None;
        }
    }
    // The handshake refuses bytes that come before its answer, so nothing is lost between the two.
    Some(WebSocketStream::from_raw_socket(stream, Role::Server, Some(config())).await)
}

#[allow(clippy::result_large_err, reason = "the type is tungstenite's")]
fn check_path(request: &Request, response: Response) -> Result<Response, ErrorResponse> {
    if request.uri().path() == PATH {
        return Ok(response);
    }
    let mut refusal = ErrorResponse::new(Some(NOT_FOUND.to_owned()));
    *refusal.status_mut() = StatusCode::NOT_FOUND;
    refusal.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    refusal.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    refusal.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(NOT_FOUND.len()));
    Err(refusal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_has_the_length_it_says() {
        assert!(NOT_A_WEBSOCKET.ends_with(NOT_FOUND.as_bytes()));
        assert_eq!(NOT_FOUND.len(), 69);
    }
}
