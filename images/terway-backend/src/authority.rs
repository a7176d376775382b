//! Go's gRPC client sends the escaped path of a unix socket as the host: `:authority` is `%2Fvar%2Frun%2Feni%2Feni.socket`
//! (grpc-go, `encodeAuthority`). RFC 3986 allows no such host, and tonic's HTTP/2 library ends every such request with
//! PROTOCOL_ERROR. This module replaces that header and nothing else.

use std::io;

use loona_hpack::{Decoder, Encoder};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::UnixStream;

/// The host that replaces it.
const HOST: &[u8] = b"localhost";
/// Length of the client's preface (RFC 9113, section 3.4).
const PREFACE: usize = 24;
/// Length of a frame's header: length, type, flags, stream (RFC 9113, section 4.1).
const HEAD: usize = 9;
const HEADERS: u8 = 0x1;
const CONTINUATION: u8 = 0x9;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;
/// The default limit of a frame's length (RFC 9113, section 4.2).
const LARGEST: usize = 16_384;
/// The buffer between client and server.
const ROOM: usize = 64 * 1024;

/// The connection with the header replaced. An invalid frame ends the connection.
pub fn with_valid_host(socket: UnixStream) -> DuplexStream {
    let (server, ours) = tokio::io::duplex(ROOM);
    tokio::spawn(async move {
        let (mut from_client, mut to_client) = socket.into_split();
        let (mut from_server, mut to_server) = tokio::io::split(ours);
        let back = async { tokio::io::copy(&mut from_server, &mut to_client).await.map(drop) };
        let there = async {
            let relayed = relay(&mut from_client, &mut to_server).await;
            to_server.shutdown().await?;
            relayed
        };
        let _ = tokio::join!(back, there);
    });
    server
}

/// Forwards frames until the client closes the connection.
async fn relay(from: &mut (impl AsyncReadExt + Unpin), to: &mut (impl AsyncWriteExt + Unpin)) -> io::Result<()> {
    let (mut decoder, mut encoder) = (Decoder::new(), Encoder::new());
    let mut preface = [0; PREFACE];
    from.read_exact(&mut preface).await?;
    to.write_all(&preface).await?;
    loop {
        let mut head = [0; HEAD];
        match from.read_exact(&mut head).await {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            read => read?,
        };
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        if length > LARGEST {
            return Err(invalid("a frame is too long"));
        }
        let mut body = vec![0; length];
        from.read_exact(&mut body).await?;
        match head[3] {
            HEADERS if head[4] & END_HEADERS != 0 => {
                let block = rewrite_host(without_padding(head[4], &body)?, &mut decoder, &mut encoder)?;
                let [_, high, middle, low] = u32::try_from(block.len()).map_err(invalid)?.to_be_bytes();
                head[..3].copy_from_slice(&[high, middle, low]);
                head[4] &= !(PADDED | PRIORITY);
                body = block;
            }
            HEADERS | CONTINUATION => return Err(invalid("headers in several frames; Terway's are short")),
            _ => {}
        }
        to.write_all(&head).await?;
        to.write_all(&body).await?;
        to.flush().await?;
    }
}

/// The header block of a frame, without padding and priority (RFC 9113, section 6.2).
fn without_padding(flags: u8, body: &[u8]) -> io::Result<&[u8]> {
    let padding = if flags & PADDED != 0 { body.first().copied().unwrap_or_default().into() } else { 0 };
    let start = usize::from(flags & PADDED != 0) + if flags & PRIORITY != 0 { 5 } else { 0 };
    let end = body.len().checked_sub(padding);
    end.and_then(|end| body.get(start..end)).ok_or_else(|| invalid("a header frame is shorter than its padding"))
}

fn rewrite_host(block: &[u8], decoder: &mut Decoder<'_>, encoder: &mut Encoder<'_>) -> io::Result<Vec<u8>> {
    let headers = decoder.decode(block).map_err(|error| invalid(format!("headers can't be read: {error:?}")))?;
    let right = |name: &[u8], value: &[u8]| if name == b":authority" { HOST.to_vec() } else { value.to_vec() };
    let headers: Vec<(Vec<u8>, Vec<u8>)> =
        headers.into_iter().map(|(name, value)| (name.clone(), right(&name, &value))).collect();
    Ok(encoder.encode(headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice()))))
}

fn invalid(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(headers: &[(&str, &str)]) -> Vec<u8> {
        Encoder::new().encode(headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())))
    }

    fn frame(kind: u8, flags: u8, body: &[u8]) -> Vec<u8> {
        let length = u8::try_from(body.len()).unwrap();
        [&[0, 0, length, kind, flags, 0, 0, 0, 1][..], body].concat()
    }

    async fn relayed(frames: &[Vec<u8>]) -> io::Result<Vec<u8>> {
        let client = [vec![b'P'; PREFACE], frames.concat()].concat();
        let mut server = Vec::new();
        relay(&mut client.as_slice(), &mut server).await.map(|()| server.split_off(PREFACE))
    }

    #[tokio::test]
    async fn only_the_host_is_replaced() {
        let asked = [(":path", "/rpc.TerwayBackend/AllocIP"), (":authority", "%2Fvar%2Frun%2Feni%2Feni.socket")];
        let data = frame(0, 1, b"payload");
        // Padded by two, with five bytes of priority, as a client may.
        let padded = [&[2, 0, 0, 0, 0, 16][..], &block(&asked), &[0, 0]].concat();
        let got = relayed(&[frame(HEADERS, END_HEADERS | PADDED | PRIORITY, &padded), data.clone()]).await.unwrap();
        let length = usize::from(got[2]);
        assert_eq!((got[3], got[4]), (HEADERS, END_HEADERS));
        let headers = Decoder::new().decode(&got[HEAD..HEAD + length]).unwrap();
        let words: Vec<_> =
            headers.iter().map(|(n, v)| (String::from_utf8_lossy(n), String::from_utf8_lossy(v))).collect();
        assert_eq!(words, [(":path".into(), asked[0].1.into()), (":authority".into(), "localhost".into())]);
        assert_eq!(got[HEAD + length..], data);
    }

    #[tokio::test]
    async fn an_invalid_frame_ends_the_connection() {
        for fault in [frame(HEADERS, 0, &block(&[])), frame(HEADERS, END_HEADERS | PADDED, &[9, 0])] {
            assert_eq!(relayed(&[fault]).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
    }
}
