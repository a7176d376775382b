//! A capture as a file: the classic pcap format, which every reader knows
//! (IETF draft-ietf-opsawg-pcap, sections 4 and 5).

use super::CaptureResult;
use super::decode::FrameError;

/// Magic number of files with microseconds.
const MAGIC: u32 = 0xa1b2_c3d4;
/// Version 2.4.
const VERSION: (u16, u16) = (2, 4);
/// Most bytes kept of a frame: what tcpdump writes there.
const SNAPLEN: u32 = 262_144;
/// LINKTYPE_ETHERNET.
const ETHERNET: u32 = 1;

/// Why a capture cannot be written as a file.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PcapError {
    /// A frame cannot be read.
    #[error("frame {index} of {capture}: {source}")]
    Frame {
        /// Its place, from 0.
        index: usize,
        /// Id of the capture.
        capture: String,
        /// The cause.
        source: FrameError,
    },
    /// A frame is longer than the format allows.
    #[error("frame {index} of {capture}: {length} bytes, at most {SNAPLEN} allowed")]
    Length {
        /// Its place, from 0.
        index: usize,
        /// Id of the capture.
        capture: String,
        /// Its length in bytes.
        length: usize,
    },
}

/// The bytes of a pcap file, little-endian, with the capture's frames in order and their tags in place.
///
/// # Errors
/// A frame's bytes are not hex, or more than a file can hold.
pub fn pcap(seen: &CaptureResult) -> Result<Vec<u8>, PcapError> {
    let mut file = Vec::with_capacity(24 + seen.frames.len() * 128);
    file.extend(MAGIC.to_le_bytes());
    file.extend(VERSION.0.to_le_bytes());
    file.extend(VERSION.1.to_le_bytes());
    // Time zone and accuracy of time stamps: 0 in all files.
    file.extend([0; 8]);
    file.extend(SNAPLEN.to_le_bytes());
    file.extend(ETHERNET.to_le_bytes());
    for (index, frame) in seen.frames.iter().enumerate() {
        let bytes = frame.octets().map_err(|source| PcapError::Frame { index, capture: seen.id.clone(), source })?;
        let kept = u32::try_from(bytes.len()).ok().filter(|kept| *kept <= SNAPLEN);
        let kept = kept.ok_or_else(|| PcapError::Length { index, capture: seen.id.clone(), length: bytes.len() })?;
        // The field has 32 bits, enough until 2106.
        let seconds = u32::try_from(frame.at_us / 1_000_000).unwrap_or(u32::MAX);
        let micros = u32::try_from(frame.at_us % 1_000_000).unwrap_or(0);
        for number in [seconds, micros, kept, frame.length.max(kept)] {
            file.extend(number.to_le_bytes());
        }
        file.extend(bytes);
    }
    Ok(file)
}
