//! One message as the bytes of a frame without its length: its type, then its payload.

/// What decodes must encode, and the encoding must decode to the same again; it can be shorter
/// than the input, because a reader accepts numbers in a longer form than necessary.
#[macro_export]
macro_rules! decode {
    ($message:path, $data:expr) => {
        if let Some((&number, payload)) = $data.split_first() {
            let frame = outlast_protocol::frame::Frame {
                number,
                payload: bytes::Bytes::copy_from_slice(payload),
            };
            if let Ok((message, body)) = <$message>::decode(&frame) {
                let head = message.head(body.len()).expect("what was decoded encodes");
                let mut again = head[outlast_protocol::frame::HEADER..].to_vec();
                again.extend_from_slice(&body);
                assert!(again.len() <= payload.len());
                let frame = outlast_protocol::frame::Frame {
                    number,
                    payload: again.into(),
                };
                assert_eq!(<$message>::decode(&frame), Ok((message, body)));
            }
        }
    };
}
