"""Pictures of every kind that Starling reads, and what Pillow makes of them: as transformers opens them, and resized.

    python3 make_image_goldens.py OUT        Debian's python3-pil 9.4 and python3-numpy made the committed files
"""
import io, os, struct, sys, zlib
import numpy as np
from PIL import Image, ImageOps

out = sys.argv[1]
os.makedirs(out, exist_ok=True)
rng = np.random.default_rng(5)
W, H = 23, 17


def smooth(w, h, channels=3):
    """A picture with gradients and edges, so that resampling and chroma matter."""
    y, x = np.mgrid[0:h, 0:w]
    c = [127 + 120 * np.sin(x / (2.0 + i) + i) * np.cos(y / (3.0 + i)) for i in range(channels)]
    a = np.stack(c, -1) + rng.normal(0, 6, (h, w, channels))
    a[h // 3 : h // 2, w // 4 : w // 2] = 250
    return np.clip(a, 0, 255).astype(np.uint8)


def save(name, data):
    with open(os.path.join(out, name), 'wb') as f:
        f.write(data)


def encode(image, fmt, **options):
    b = io.BytesIO()
    image.save(b, fmt, **options)
    return b.getvalue()


def chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def png(width, height, depth, color, rows, extra=b'', interlace=0):
    """A PNG from packed rows, for kinds that Pillow does not write."""
    raw = b''.join(b'\0' + r for r in rows)
    head = struct.pack('>IIBBBBB', width, height, depth, color, 0, 0, interlace)
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', head) + extra + chunk(b'IDAT', zlib.compress(raw)) + chunk(b'IEND', b'')


def exif(value, order='<'):
    entry = struct.pack(order + 'HHIHH', 0x0112, 3, 1, value, 0)
    body = (b'II' if order == '<' else b'MM') + struct.pack(order + 'HIH', 42, 8, 1) + entry + struct.pack(order + 'I', 0)
    return b'Exif\0\0' + body


base = Image.fromarray(smooth(W, H))
rgba = base.copy()
rgba.putalpha(Image.fromarray(smooth(W, H)[:, :, 0]))
gray = base.convert('L')
files = {
    'rgb.png': encode(base, 'PNG'),
    'rgba.png': encode(rgba, 'PNG'),
    'gray.png': encode(gray, 'PNG'),
    'gray_alpha.png': encode(rgba.convert('LA'), 'PNG'),
    'palette.png': encode(base.quantize(37), 'PNG'),
    'palette_4bit.png': encode(base.quantize(13), 'PNG', bits=4),
    'palette_alpha.png': encode(base.quantize(37), 'PNG', transparency=3),
    'bilevel.png': encode(gray.convert('1'), 'PNG'),
    'rgb_transparent.png': encode(base, 'PNG', transparency=tuple(smooth(W, H)[0, 0])),
    'rgb.jpg': encode(base, 'JPEG', quality=90),
    'rgb_420.jpg': encode(base, 'JPEG', quality=80, subsampling=2),
    'rgb_444.jpg': encode(base, 'JPEG', quality=95, subsampling=0),
    'progressive.jpg': encode(base, 'JPEG', quality=85, progressive=True),
    'gray.jpg': encode(gray, 'JPEG', quality=90),
    'cmyk.jpg': encode(base.convert('CMYK'), 'JPEG', quality=95),
}
g2 = smooth(W, H)[:, :, 0] >> 6
files['gray_2bit.png'] = png(W, H, 2, 0, [bytes(int(''.join('%s' % format(v, '02b') for v in row).ljust(48, '0')[i : i + 8], 2) for i in range(0, 48, 8)) for row in g2])
g16 = rng.integers(0, 700, (H, W)).astype('>u2')
files['gray_16bit.png'] = png(W, H, 16, 0, [r.tobytes() for r in g16])
rgb16 = rng.integers(0, 65536, (H, W, 3)).astype('>u2')
files['rgb_16bit.png'] = png(W, H, 16, 2, [r.tobytes() for r in rgb16])
la16 = rng.integers(0, 65536, (H, W, 2)).astype('>u2')
files['gray_alpha_16bit.png'] = png(W, H, 16, 4, [r.tobytes() for r in la16])
# Adam7, by hand: seven passes of a small RGB picture
a = smooth(W, H)
passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
rows = [a[y, x0::dx].tobytes() for x0, y0, dx, dy in passes for y in range(y0, H, dy) if a[y, x0::dx].size]
files['interlaced.png'] = png(W, H, 8, 2, rows, interlace=1)
for n in range(10):
    files['exif_%d.jpg' % n] = encode(base, 'JPEG', quality=90, exif=exif(n, '<' if n % 2 else '>'))
files['exif_6.png'] = files['rgb.png'][:33] + chunk(b'eXIf', exif(6)[6:]) + files['rgb.png'][33:]
files['tail.png'] = files['rgb.png'] + b'something behind the end'
files['two.jpg'] = files['rgb.jpg'] + files['gray.jpg']
files['named.png'] = files['rgb.jpg']

with open(os.path.join(out, 'decoded.txt'), 'w') as f:
    for name, data in sorted(files.items()):
        save(name, data)
        im = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert('RGB')
        f.write('%s %d %d %s\n' % (name, im.width, im.height, im.tobytes().hex()))

# Resizing: a source, target sizes up and down, odd and thin, all filters.
source = Image.fromarray(smooth(61, 43))
save('resize_source.png', encode(source, 'PNG'))
with open(os.path.join(out, 'resized.txt'), 'w') as f:
    for filter in range(6):
        for size in [(61, 43), (30, 21), (7, 5), (61, 10), (13, 43), (62, 44), (1, 1), (97, 2), (20, 64)]:
            im = source.resize(size, filter)
            crc = zlib.crc32(im.tobytes())
            f.write('%d %d %d %d %s\n' % (filter, size[0], size[1], crc, im.tobytes().hex() if im.width * im.height < 50 else '-'))
