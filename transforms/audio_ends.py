"""Whether a recording ends where its encoder ended it; libsndfile says nothing of many that were cut.

WAV: the data chunk has its size, which a pipe leaves open. Ogg (Vorbis, Opus, FLAC): the last page of the last stream
says that it is (RFC 3533, section 6). MP3: encoders write the number of frames into the first one (the Xing or Info
tag); a file without it may end anywhere.
"""

import os
from typing import IO

_LARGEST_PAGE_BYTES = 27 + 255 + 255 * 255
_PAGE_HEADER_BYTES = 27
_END_OF_STREAM = 4
_MP3_HEAD_BYTES = 4096
_HAS_FRAMES = 1


def ogg_is_whole(file: IO[bytes]) -> bool:
    """Whether the last page is all there and ends its stream. Reads the end of a seekable file."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 2 * _LARGEST_PAGE_BYTES))
    tail = file.read()
    page = tail[max(0, tail.rfind(b"OggS")) :]
    if len(page) < _PAGE_HEADER_BYTES or not page[5] & _END_OF_STREAM:
        return False
    lengths = page[_PAGE_HEADER_BYTES : _PAGE_HEADER_BYTES + page[26]]
    return len(lengths) == page[26] and len(page) >= _PAGE_HEADER_BYTES + len(lengths) + sum(lengths)


def mp3_counts_its_frames(file: IO[bytes]) -> bool:
    """Whether the first frame, behind an ID3v2 tag if there is one, tells the number of frames."""
    file.seek(0)
    tag = file.read(10)
    behind = 0
    if tag[:3] == b"ID3" and len(tag) == 10:
        behind = 10 + (tag[6] << 21 | tag[7] << 14 | tag[8] << 7 | tag[9])
    file.seek(behind)
    head = file.read(_MP3_HEAD_BYTES)
    places = [at for at in (head.find(b"Xing"), head.find(b"Info")) if 0 <= at < len(head) - 8]
    return bool(places) and bool(head[min(places) + 7] & _HAS_FRAMES)


def missing_riff_bytes(log: str) -> int:
    """Bytes that a RIFF file's data chunk promises and lacks; 0 for the all-ones size that a pipe leaves behind.

    libsndfile takes the file's real size for the promised one and only notes it in its log.
    """
    for line in log.splitlines():
        name, _, rest = line.partition(":")
        if name.strip() == "data" and "should be" in rest:
            claimed, _, found = rest.partition("(should be")
            promised = int(claimed)
            return 0 if promised >= 0xFFFF_F000 or promised == 0 else max(0, promised - int(found.strip(" )")))
    return 0
