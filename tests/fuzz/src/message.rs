//! One message as the bytes of a frame without its length: its type, then its payload.

use outlast_protocol::limits::MAX_FRAME;

/// What decoding one frame may take, whatever its lengths and counts claim: a string's buffer of
/// up to eight frames, and lists within lists that are begun with a frame's worth each.
pub const MEMORY: usize = 12 * MAX_FRAME as usize;

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
            let decoded =
                $crate::memory::within($crate::message::MEMORY, || <$message>::decode(&frame));
            if let Ok((message, body)) = decoded {
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
