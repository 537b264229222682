"""Pictures that Pillow does not write itself, and what it makes of them.

    python3 make_odd_image_goldens.py OUT        Pillow 12.3 (libjpeg-turbo 3.1) and numpy made the committed files

odd.txt: name, the file in base64, width, height and CRC-32 of the RGB that Pillow reads; "refused" where it reads none.
orientation.txt: name, an EXIF block in hexadecimal digits, the orientation by which Pillow turns.
"""
import base64, io, os, struct, sys, warnings, zlib
import numpy as np
from PIL import Image, ImageOps
from odd_jpeg import jpeg, segment

out = sys.argv[1]
os.makedirs(out, exist_ok=True)
warnings.simplefilter('ignore')
rng = np.random.default_rng(11)
files = {}


def read(data):
    return ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert('RGB')


# ---- JPEG: every way of sampling, in one scan, in one for each component, progressive
SAMPLING = ['12 11 11', '12 12 11', '12 11 12', '41 11 11', '42 11 11', '22 11 11', '21 11 11', '11 11 11', '22 22 22', '22 21 12', '22 12 12', '22 21 21',
            '22 21 11', '14 11 11', '14 12 12', '11 22 22', '31 11 11', '13 11 11', '11', '22', '12', '11 11 11 11', '22 11 11 22', '12 11 11 12', '21 11 11 21',
            '33 22 11', '44 42 24', '21 12 11']
for sampling in SAMPLING:
    factors = [(int(s[0]), int(s[1])) for s in sampling.split()]
    kinds = [(19, 21, False, True), (19, 20, False, False), (5, 6, False, True), (3, 1, False, True)]
    if sum(h * v for h, v in factors) <= 10:
        kinds += [(18, 19, True, True)]
    for w, h, progressive, interleaved in kinds:
        name = '%s %dx%d%s' % (sampling, w, h, ' progressive' if progressive else '' if interleaved else ' apart')
        files['jpeg ' + name] = jpeg(rng, w, h, factors, progressive, interleaved)

# ---- JPEG: what stands between two segments
RGB = [(1, 1)] * 3
JUNK = {'zeros': b'\0\0\0', 'a byte': b'a', 'fill': b'\xff', 'much fill': b'\xff' * 9, 'stuffed': b'\xff\0', 'mixed': b'ab\xff\0cd\xff', 'a restart': b'\xff\xd3',
        'a start': b'\xff\xd8', 'a reserved marker': b'\xff\x02', 'an extension': b'\xff\xc8', 'a comment': segment(0xFE, b'x'), 'an empty comment': segment(0xFE, b''),
        'a segment of no length': b'\xff\xe5\0\0', 'a line count': segment(0xDC, b'\0\x09'), 'an expansion': segment(0xDF, b'\x11'), 'text': b'hello world' * 9,
        'half of Adobe': segment(0xE2, b'Adobe'), 'Adobe 0': segment(0xEE, b'Adobe\0d\0\0\0\0\0'), 'Adobe 2': segment(0xEE, b'Adobe\0d\0\0\0\0\2')}
for name, junk in JUNK.items():
    files['junk at the start: ' + name] = jpeg(rng, 9, 10, RGB, head=junk)
    files['junk in the middle: ' + name] = jpeg(rng, 9, 10, RGB, between=junk)
    files['junk between scans: ' + name] = jpeg(rng, 9, 10, RGB, True, between=junk)
    files['junk at the end: ' + name] = jpeg(rng, 9, 10, RGB)[:-2] + junk + b'\xff\xd9'
four = [(1, 1)] * 4
for transform in range(4):
    adobe = segment(0xEE, b'Adobe\0d\0\0\0\0' + bytes([transform]))
    files['three components, Adobe %d' % transform] = jpeg(rng, 9, 10, RGB, head=adobe)
    files['four components, Adobe %d' % transform] = jpeg(rng, 9, 10, four, head=adobe)
    files['JFIF, Adobe %d' % transform] = jpeg(rng, 9, 10, RGB, head=segment(0xE0, b'JFIF\0\1\1\0\0\1\0\1\0\0') + adobe)
files['named by letters'] = jpeg(rng, 9, 10, RGB, ids=[82, 71, 66])

# ---- PNG: texts that turn, palettes, what is checked
turned = Image.new('RGB', (3, 2))
for i in range(6):
    turned.putpixel((i % 3, i // 3), (i * 40, 255 - i * 30, i * i))
b = io.BytesIO()
turned.save(b, 'PNG')
PNG = b.getvalue()
b = io.BytesIO()
turned.resize((24, 8)).save(b, 'JPEG', subsampling=0)
JPEG = b.getvalue()


def chunk(kind, data, crc=0):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data) ^ crc)


def exif(entries, order='>', magic=42, offset=8, next=0):
    head = (b'II' if order == '<' else b'MM') + struct.pack(order + 'HI', magic, offset)
    return head + struct.pack(order + 'H', len(entries)) + b''.join(struct.pack(order + 'HHI', *e[:3]) + e[3] for e in entries) + struct.pack(order + 'I', next)


def short(v, order='>'):
    return 0x112, 3, 1, struct.pack(order + 'HH', v, 0)


K, R, HEAD = b'XML:com.adobe.xmp', b'Raw profile type exif', b'Exif\0\0'
A = lambda v: b'<x tiff:Orientation="%d"/>' % v
three, other = exif([short(3)]), exif([(0x10F, 2, 4, b'abc\0')])
raw = lambda t, gap=b'\n': b'\nexif\n   %d\n' % len(t) + t.hex().encode()[:20] + gap + t.hex().encode()[20:] + b'\n'
TEXTS = {
    'XMP': chunk(b'iTXt', K + b'\0\0\0\0\0' + A(6)), 'XMP in the element': chunk(b'iTXt', K + b'\0\0\0\0\0<tiff:Orientation>5</tiff:Orientation>'),
    'XMP packed': chunk(b'iTXt', K + b'\0\1\0\0\0' + zlib.compress(A(6))), 'XMP packed another way': chunk(b'iTXt', K + b'\0\1\1\0\0' + zlib.compress(A(6))),
    'XMP packed, broken': chunk(b'iTXt', K + b'\0\1\0\0\0abc'), 'XMP with a language': chunk(b'iTXt', K + b'\0\0\0en\0key\0' + A(6)), 'XMP, a zero too few': chunk(b'iTXt', K + b'\0\0\0\0' + A(6)),
    'XMP as text': chunk(b'tEXt', K + b'\0' + A(6)), 'XMP as packed text': chunk(b'zTXt', K + b'\0\0' + zlib.compress(A(6))), 'XMP twice': chunk(b'iTXt', K + b'\0\0\0\0\0' + A(6)) + chunk(b'iTXt', K + b'\0\0\0\0\0' + A(3)),
    'XMP in apostrophes': chunk(b'iTXt', K + b"\0\0\0\0\0tiff:Orientation='6'"), 'XMP and EXIF': chunk(b'iTXt', K + b'\0\0\0\0\0' + A(6)) + chunk(b'eXIf', three),
    'XMP and EXIF of other things': chunk(b'eXIf', other) + chunk(b'iTXt', K + b'\0\0\0\0\0' + A(6)), 'profile': chunk(b'tEXt', R + b'\0' + raw(HEAD + three)),
    'profile packed': chunk(b'zTXt', R + b'\0\0' + zlib.compress(raw(HEAD + three))), 'profile international': chunk(b'iTXt', R + b'\0\0\0\0\0' + raw(HEAD + three)),
    'profile with spaces': chunk(b'tEXt', R + b'\0' + raw(HEAD + three, b' ')), 'profile with returns': chunk(b'tEXt', R + b'\0' + raw(HEAD + three, b'\r\n')),
    'profile without a head': chunk(b'tEXt', R + b'\0' + raw(three)), 'profile and EXIF': chunk(b'tEXt', R + b'\0' + raw(HEAD + three)) + chunk(b'eXIf', exif([short(6)])),
    'profile twice': chunk(b'tEXt', R + b'\0' + raw(HEAD + three)) + chunk(b'tEXt', R + b'\0' + raw(HEAD + exif([short(6)]))), 'text named exif': chunk(b'tEXt', b'exif\0' + HEAD + three),
    'EXIF twice': chunk(b'eXIf', exif([short(6)])) + chunk(b'eXIf', three)}
for name, chunks in TEXTS.items():
    files['png before: ' + name] = PNG[:33] + chunks + PNG[33:]
    files['png behind: ' + name] = PNG[:-12] + chunks + PNG[-12:]
X = b'http://ns.adobe.com/xap/1.0/\0'
for name, segments in {'XMP twice': [X + A(6), X + A(3)], 'XMP, empty again': [X + A(6), X], 'XMP and EXIF': [X + A(6), HEAD + three], 'EXIF in parts': [HEAD + three[:13], HEAD + three[13:]],
                       'EXIF twice': [HEAD + three, HEAD + exif([short(6)])], 'EXIF without content': [HEAD, X + A(6)], 'half of its name': [b'Exif\0', X + A(6)], 'its name twice': [HEAD * 2 + three],
                       'broken EXIF and XMP': [HEAD + b'XXXX....', X + A(6)], 'EXIF as a byte and XMP': [HEAD + exif([(0x112, 1, 1, b'\3\0\0\0')]), X + A(6)]}.items():
    files['jpeg: ' + name] = JPEG[:2] + b''.join(segment(0xE1, s) for s in segments) + JPEG[2:]
files['jpeg: EXIF behind the scan'] = JPEG[:-2] + segment(0xE1, HEAD + three) + JPEG[-2:]

palette = bytes((i * 37 + c * 91) % 256 for i in range(16) for c in range(3))


def png(color, body, before=b'', after=b'', depth=8, width=4, interlace=0, head=b''):
    ihdr = head or struct.pack('>IIBBBBB', width, 1, depth, color, 0, 0, interlace)
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', ihdr) + before + body + after + chunk(b'IEND', b'')


row = zlib.compress(b'\0\1\2\3\x0f')
for n in (3, 5, 6, 9, 47, 48):
    files['a palette of %d bytes' % n] = png(3, chunk(b'IDAT', row), chunk(b'PLTE', palette[:n]))
files['two palettes'] = png(3, chunk(b'IDAT', row), chunk(b'PLTE', palette) + chunk(b'PLTE', palette[::-1]))
files['a palette behind the data'] = png(3, chunk(b'IDAT', row), chunk(b'PLTE', palette), chunk(b'PLTE', palette[::-1]))
files['a palette of a gray picture'] = png(0, chunk(b'IDAT', row), chunk(b'PLTE', palette[:7]))
files['a broken text in a palette picture'] = png(3, chunk(b'IDAT', row), chunk(b'tEXt', b'no zero byte here') + chunk(b'PLTE', palette))
files['checksum of a text'] = png(0, chunk(b'IDAT', row), chunk(b'tEXt', b'k\0v', 1))
files['checksum of a text behind the data'] = png(0, chunk(b'IDAT', row), b'', chunk(b'tEXt', b'k\0v', 1))
files['checksum of the data'] = png(0, chunk(b'IDAT', row, 1))
files['checksum of what is packed'] = png(0, chunk(b'IDAT', row[:-1] + b'\0'))
files['more data than rows'] = png(0, chunk(b'IDAT', zlib.compress(bytes([0, 1, 2, 3, 15]) * 9)))
files['junk behind the packed data'] = png(0, chunk(b'IDAT', row + b'junk'))
files['data byte by byte'] = png(0, b''.join(chunk(b'IDAT', row[i : i + 1]) for i in range(len(row))))
files['data with a text between'] = png(0, chunk(b'IDAT', row[:5]) + chunk(b'tEXt', b'k\0v') + chunk(b'IDAT', row[5:]))
files['an empty chunk of data'] = png(0, chunk(b'IDAT', b'') + chunk(b'IDAT', row))
files['a text before the header'] = PNG[:8] + chunk(b'tEXt', b'k\0v') + PNG[8:]
files['two headers'] = PNG[:8] + chunk(b'IHDR', struct.pack('>IIBBBBB', 5, 5, 8, 0, 0, 0, 0)) + PNG[8:]
files['a chunk without a name'] = PNG[:33] + chunk(b'a\0bc', b'') + PNG[33:]
files['junk behind the data'] = PNG[:-12] + b'\0\0\0\0\0\0\0\0junk....'
files['a signature sent as text'] = PNG.replace(b'\r\n', b'\n', 1)
files['the first byte without its top bit'] = b'\x09' + PNG[1:]
for depth in (0, 1, 2, 3, 4, 8, 16, 32):
    for color in range(8):
        for interlace in (0, 1):
            data = b''.join(bytes([i % 5]) + rng.integers(0, 256, 40, np.uint8).tobytes() for i in range(12))
            head = struct.pack('>IIBBBBB', 5, 4, depth, color, 0, 0, interlace)
            # The rows are cut from random bytes, so their filters are random too: only those below 5 are kept.
            bits = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(color, 1) * depth
            passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)] if interlace else [(0, 0, 1, 1)]
            widths = [-(-(5 - x) // dx) for x, y, dx, dy in passes for _ in range(y, 4, dy) if x < 5]
            data = b''.join(bytes([i % 5]) + rng.integers(0, 256, (w * bits + 7) // 8, np.uint8).tobytes() for i, w in enumerate(widths))
            if (depth, color) in ((8, 2), (1, 0), (16, 6), (4, 3)) or interlace == 0:
                files['depth %d, colour %d, %d' % (depth, color, interlace)] = png(0, chunk(b'IDAT', zlib.compress(data)), chunk(b'PLTE', palette), head=head)
for i, part in ((10, 'compression'), (11, 'filter'), (12, 'interlace')):
    head = bytearray(struct.pack('>IIBBBBB', 4, 1, 8, 0, 0, 0, 0))
    head[i] = 2
    files['%s method 2' % part] = png(0, chunk(b'IDAT', row), head=bytes(head))

with open(os.path.join(out, 'odd.txt'), 'w') as f:
    for name, data in files.items():
        try:
            im = read(data)
            result = '%d|%d|%d' % (im.width, im.height, zlib.crc32(im.tobytes()))
        except Exception:
            result = 'refused'
        f.write('%s|%s|%s\n' % (name, base64.b64encode(data).decode(), result))

# ---- EXIF blocks
blocks = {}
FORMATS = {0: 'B', 1: 'B', 2: 'B', 3: 'H', 4: 'I', 5: 'II', 6: 'b', 7: 'B', 8: 'h', 9: 'i', 10: 'ii', 11: 'f', 12: 'd', 13: 'I', 14: 'B', 16: 'Q', 17: 'q', 18: 'Q', 129: 'B'}
for order in '<>':
    end = ' little' if order == '<' else ' big'
    for type, form in FORMATS.items():
        for count in (0, 1, 2, 3, 5):
            values = ([6] if len(form) == 1 else [18, 3]) + [5] * 9
            data = struct.pack(order + form * count, *values[: count * len(form)])
            far = len(data) > 4
            block = exif([(0x112, type, count, struct.pack(order + 'I', 26) if far else data.ljust(4, b'\0'))], order) + (data if far else b'')
            blocks['type %d, %d values' % (type, count) + end] = block
            if far:
                blocks['type %d, %d values, cut' % (type, count) + end] = block[:-1]
    six, three, maker = short(6, order), short(3, order), (0x10F, 2, 4, b'abc\0')
    far = struct.pack(order + 'I', 100000)
    for name, block in {
        'number 0': exif([six], order, 0), 'number 41': exif([six], order, 41), 'number 43': exif([six], order, 43), 'number 42 the other way round': exif([six], order, 0x2A00),
        'twice': exif([three, six], order), 'twice, empty': exif([six, (0x112, 3, 0, bytes(4))], order), 'twice, unknown type': exif([six, (0x112, 99, 1, bytes(4))], order), 'twice, a byte': exif([six, (0x112, 1, 1, b'\3\0\0\0')], order),
        'behind a far value': exif([(0x10F, 2, 40, far), six], order), 'before a far value': exif([six, (0x10F, 2, 40, far)], order), 'behind a huge value': exif([(0x10F, 2, 0xFFFFFFFF, struct.pack(order + 'I', 8)), six], order),
        'behind an empty far value': exif([(0x10F, 2, 0, far), six], order), 'behind an unknown far value': exif([(0x10F, 77, 1000, far), six], order), 'a directory that follows itself': exif([maker, six], order, next=8),
        'the second directory': exif([maker], order, next=26) + exif([six], order)[8:], 'the directory of a camera': exif([(0x8769, 4, 1, struct.pack(order + 'I', 26))], order) + exif([six], order)[8:],
        'a directory at 0': exif([six], order, offset=0), 'a directory at 4': exif([six], order, offset=4), 'a far directory': exif([six], order, offset=5000), 'a directory at -1': exif([six], order, offset=0xFFFFFFFF),
        'more entries than there are': exif([six], order)[:8] + b'\xff\xff' + exif([six], order)[10:], 'a directory further on': exif([six], order, offset=20)[:8] + bytes(12) + exif([six], order)[8:], 'its name before it': HEAD + exif([six], order),
        'big TIFF': (b'II' if order == '<' else b'MM') + struct.pack(order + 'HHHQQHHQHHHHQ', 43, 8, 0, 16, 1, 0x112, 3, 1, 6, 0, 0, 0, 0)}.items():
        blocks[name + end] = block
    for v in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 256, 65535):
        blocks['short %d' % v + end] = exif([short(v, order)], order)
    for v in (0x10006, 0x60000, 0xFFFFFFFF):
        blocks['long %d' % v + end] = exif([(0x112, 4, 1, struct.pack(order + 'I', v))], order)
    for v in (-6.0, 6.5, float('nan'), float('inf'), 1e30):
        blocks['float %s' % v + end] = exif([(0x112, 11, 1, struct.pack(order + 'f', v))], order)
    for a, c in ((12, 2), (13, 2), (6, 0), (0, 0), (0xFFFFFFFA, 0xFFFFFFFF)):
        for type in (5, 10):
            blocks['type %d, %d over %d' % (type, a, c) + end] = exif([(0x112, type, 1, struct.pack(order + 'I', 26))], order) + struct.pack(order + 'II', a, c)
for n in range(26):
    blocks['cut to %d' % n] = exif([short(6, '<')], '<')[:n]
blocks['mixed order'] = b'IM' + exif([short(6)])[2:]
blocks['lower case'] = b'ii' + exif([short(6)])[2:]

plain = Image.open(io.BytesIO(JPEG))
plain.load()
METHODS = [None, Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_180, Image.Transpose.FLIP_TOP_BOTTOM, Image.Transpose.TRANSPOSE, Image.Transpose.ROTATE_270, Image.Transpose.TRANSVERSE, Image.Transpose.ROTATE_90]
AS = {(plain.transpose(m) if m is not None else plain).tobytes(): i + 1 for i, m in enumerate(METHODS)}
with open(os.path.join(out, 'orientation.txt'), 'w') as f:
    for name, block in blocks.items():
        f.write('%s|%s|%d\n' % (name, block.hex(), AS[read(JPEG[:2] + segment(0xE1, HEAD + block) + JPEG[2:]).tobytes()]))
