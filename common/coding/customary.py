"""What the headers of JPEGs customarily say: so that a skeleton with nothing else to go by need not say it either.

Libjpeg's quantisation tables of every quality and the Huffman tables of the standard, the headers that encoders write around
them, the profile of sRGB, and the frame in which photo editors keep their tags. The bytes are computed, in integers, from what
the standards say (ITU T.81 K.1 and K.3, JFIF 1.02, IEC 61966-2-1, ICC.1): the codings that use them need the very same for ever.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import cache
from typing import Final

# fmt: off
_LUMA: Final = (
    16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19, 24, 40, 26, 24, 22, 22, 24, 49, 35, 37, 29, 40, 58, 51, 61, 60, 57,
    51, 56, 55, 64, 72, 92, 78, 64, 68, 87, 69, 55, 56, 80, 109, 81, 87, 95, 98, 103, 104, 103, 62, 77, 113, 121, 112, 100, 120,
    92, 101, 103, 99,
)
_CHROMA: Final = (17, 18, 18, 24, 21, 24, 47, 26, 26, 47, 99, 66, 56, 66, *50 * (99,))
"""The standard's quantisation, in zigzag order, which libjpeg scales by its quality."""
# fmt: on

_DC_SYMBOLS: Final = bytes(range(12))
_LUMA_DC: Final = bytes.fromhex("00010501010101010100000000000000") + _DC_SYMBOLS
_CHROMA_DC: Final = bytes.fromhex("00030101010101010101010000000000") + _DC_SYMBOLS
_LUMA_AC: Final = bytes.fromhex(
    "0002010303020403050504040000017d01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a2526"
    "2728292a3435363738393a434445464748494a535455565758595a636465666768696a737475767778797a838485868788898a92939495969798999aa2a3"
    "a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa"
)
_CHROMA_AC: Final = bytes.fromhex(
    "00020102040403040705040400010277000102031104052131061241510761711322328108144291a1b1c109233352f0156272d10a162434e125f1171819"
    "1a262728292a35363738393a434445464748494a535455565758595a636465666768696a737475767778797a82838485868788898a92939495969798999a"
    "a2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9fa"
)
"""The standard's Huffman tables: how many codes of each length, and their symbols."""

# fmt: off
_SCANS: Final = (
    "0100000001", "0100010502", "0100063f02", "0100013f21", "0100000010", "0100013f10",
    "010002100310000001", "0100010502", "0301013f01", "0201013f01", "0100063f02",
    "0100013f21", "010002000300000010", "0301013f10", "0201013f10", "0100013f10",
    "0100003f00", "010002110311003f00",
)
# fmt: on
"""What the header of a scan says: components with their tables, first, last, bits. Libjpeg's for progressive files of grey and of
colour, then the only one of a sequential file."""
_FRAMES: Final = (*(f"08000000000301{sampling}00021101031101" for sampling in (11, 12, 21, 22)), "080000000001011100")
_JFIF: Final = ("010200000100010000", "010101004800480000", "010100000100010000")

_PROFILE_TAGS: Final = (
    *((b"cprt", 336, 51), (b"desc", 388, 108), (b"wtpt", 496, 20), (b"bkpt", 516, 20), (b"rXYZ", 536, 20), (b"gXYZ", 556, 20)),
    *((b"bXYZ", 576, 20), (b"dmnd", 596, 112), (b"dmdd", 708, 136), (b"vued", 844, 134), (b"view", 980, 36), (b"lumi", 1016, 20)),
    *((b"meas", 1036, 36), (b"tech", 1072, 12), (b"rTRC", 1084, 2060), (b"gTRC", 1084, 2060), (b"bTRC", 1084, 2060)),
)
"""Name, place and size of what the usual profile of sRGB holds."""
_PROFILE_COLOURS: Final = (
    *((0xF351, 0x10000, 0x116CC), (0, 0, 0), (0x6FA2, 0x38F5, 0x390), (0x6299, 0xB785, 0x18DA), (0x24A0, 0xF84, 0xB6CF)),
)
"""White, black, red, green and blue in it: X, Y and Z in 1/65536."""
_PROFILE_WORDS: Final = (
    b"sRGB IEC61966-2.1",
    b"IEC http://www.iec.ch",
    b"IEC 61966-2.1 Default RGB colour space - sRGB",
    b"Reference Viewing Condition in IEC61966-2.1",
)
_CURVE_STEPS: Final = 1024

_XMP: Final = (
    b'http://ns.adobe.com/xap/1.0/\0<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 5.4.0">\n'
    b' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n  <rdf:Description rdf:about=""\n'
    b'    xmlns:xmp="http://ns.adobe.com/xap/1.0/"\n    xmlns:dc="http://purl.org/dc/elements/1.1/"\n'
    b'    xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"\n    xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"\n'
    b'    xmlns:stRef="http://ns.adobe.com/xap/1.0/sType/ResourceRef#"\n'
    b'    xmlns:stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"\n'
    b'    xmlns:tiff="http://ns.adobe.com/tiff/1.0/"\n    xmlns:exif="http://ns.adobe.com/exif/1.0/"\n'
    b'    xmlns:aux="http://ns.adobe.com/exif/1.0/aux/"\n    xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/"\n'
    b'   xmp:CreatorTool="Adobe Photoshop Lightroom (Macintosh)" xmp:CreateDate="2019- xmp:ModifyDate="2020-\n'
    b'   xmpMM:DocumentID="xmp.did: xmpMM:InstanceID="xmp.iid: xmpMM:OriginalDocumentID="\n   dc:format="image/jpeg"\n'
    b"   <dc:subject>\n    <rdf:Bag>\n     <rdf:li></rdf:li>\n    </rdf:Bag>\n   </dc:subject>\n"
    b"   <dc:creator>\n    <rdf:Seq>\n     <rdf:li></rdf:li>\n    </rdf:Seq>\n   </dc:creator>\n"
    b'   <dc:description>\n    <rdf:Alt>\n     <rdf:li xml:lang="x-default"></rdf:li>\n    </rdf:Alt>\n   </dc:description>\n'
    b"  </rdf:Description>\n </rdf:RDF>\n</x:xmpmeta>\n" + 100 * b" " + b"\n" + b'<?xpacket end="w"?>'
)
_TAGS: Final = (
    b"Photoshop 3.0\08BIM\x04\x04\0\0\0\0\0\0\x1c\x02\0\0\x02\0\x02\x1c\x02\x05\0\x1c\x02\x19\0\x1c\x02\x50\0"
    b"\x1c\x02\x74\0\x1c\x02\x78\08BIM\x03\xed\0\0\0\0\0\x10\0\x48\0\0\0\x01\0\x02\0\x48\0\0\0\x01\0\x02"
    b"8BIM\x04\x0d\0\0\0\0\0\x04\0\0\0\x1e8BIM\x04\x25\0\0\0\0\0\x10"
    b"Exif\0\0II*\0\x08\0\0\0Exif\0\0MM\0*\0\0\0\x080100 0210 0220 0230 0231"
    b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\x01\xff\xed\0"
)


@cache
def customary() -> bytes:
    """Some 22 kB, what is met most often last, where naming it takes the fewest bytes."""
    tables = [_quantisation(quality) for quality in range(1, 101)]
    codes = zip((0x00, 0x10, 0x01, 0x11), (_LUMA_DC, _LUMA_AC, _CHROMA_DC, _CHROMA_AC), strict=True)
    huffman = [_segment(0xC4, bytes([name]) + table) for name, table in codes]
    frames = [_segment(kind, bytes.fromhex(told)) for kind in (0xC2, 0xC0) for told in _FRAMES]
    scans = [_segment(0xDA, bytes([len(told) // 4 - 1]) + bytes.fromhex(told)) for told in _SCANS]
    jfif = [b"\x01\x01\x00\xff\xd8" + _segment(0xE0, b"JFIF\0" + bytes.fromhex(told)) for told in _JFIF]
    return b"".join((_XMP, _TAGS, _profile(), *tables, *frames, *scans[:-1], *huffman, scans[-1], b"\xff\xd9", *jfif))


def _segment(marker: int, content: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + (2 + len(content)).to_bytes(2) + content


def _quantisation(quality: int) -> bytes:
    """Both tables as libjpeg writes them."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality  # noqa: PLR2004 - libjpeg's rule
    luma, chroma = (bytes(min(max((n * scale + 50) // 100, 1), 255) for n in table) for table in (_LUMA, _CHROMA))
    return _segment(0xDB, b"\0" + luma) + _segment(0xDB, b"\1" + chroma)


def _profile() -> bytes:
    """The profile of sRGB that most files carry, but for its words."""
    tags = b"".join(name + place.to_bytes(4) + size.to_bytes(4) for name, place, size in _PROFILE_TAGS)
    colours = b"".join(b"XYZ " + bytes(4) + b"".join(n.to_bytes(4) for n in colour) for colour in _PROFILE_COLOURS)
    curve = b"".join(_linear(n).to_bytes(2) for n in range(_CURVE_STEPS))
    header = b"\0\0\x0cHLino\x02\x10\0\0mntrRGB XYZ \x07\xce\0\x02\0\x09\0\x06\0\x31\0\0acspMSFT\0\0\0\0IEC sRGB" + bytes(14)
    words = b"".join(b"desc" + bytes(7) + bytes([len(word) + 1]) + word + bytes(10) for word in _PROFILE_WORDS)
    return b"".join(
        (
            b"ICC_PROFILE\0\x01\x01",
            header,
            b"\0\x01\0\0\xf6\xd6\0\x01\0\0\0\0\xd3-HP  " + bytes(44),
            len(_PROFILE_TAGS).to_bytes(4) + tags,
            words,
            colours,
            b"sig \0\0\0\0CRT curv" + bytes(4) + _CURVE_STEPS.to_bytes(4) + curve,
        )
    )


def _linear(n: int) -> int:
    """The light of a level, of 65535, rounded: ((c + 0.055) / 1.055) ** 2.4, or c / 12.92 below 0.04045."""
    most = _CURVE_STEPS - 1
    if 100000 * n <= 4045 * most:
        return (2 * 65535 * 100 * n + 1292 * most) // (2 * 1292 * most)
    # The largest v with (v - 1/2) ** 5 <= (65535 ** 5) * c ** 12, both sides times 2 ** 5.
    wanted = (2 * 65535) ** 5 * (1000 * n + 55 * most) ** 12 // (1055 * most) ** 12
    return bisect_right(range(1, 65536), wanted, key=lambda v: (2 * v - 1) ** 5)
