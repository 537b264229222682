package starling.model.mosaic;

import java.awt.geom.Rectangle2D;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import starling.checkpoint.DecoderWeights;
import starling.checkpoint.Safetensors;
import starling.checkpoint.TextConfig;
import starling.device.Activation;
import starling.device.AttentionInputs;
import starling.device.DType;
import starling.device.Device;
import starling.device.Kv;
import starling.device.Linear;
import starling.device.Mask;
import starling.device.Norm;
import starling.device.PositionRule;
import starling.device.Segments;
import starling.device.Span;
import starling.device.StoredTensor;
import starling.device.Tensor;
import starling.device.TensorArena;
import starling.image.Image;
import starling.image.Preprocess;
import starling.model.ImageCuts;
import starling.model.ImageEncoder;
import starling.model.ImageInput;
import starling.model.ImageOptions;
import starling.model.Layout;
import starling.model.Positions;
import starling.model.VisionLanguageModel;
import starling.prune.ImageTokens;
import starling.text.Template;

/**
 * A family that no checkpoint has, with everything that LLaVA-1.5 has not: an image is a small
 * image of the whole and a row or column of tiles, stitched to one grid; a token is a cell of 2×2
 * patches, four rows of the tower that do not follow each other; a newline row stands behind the
 * small image and behind every row of the grid; positions have three axes. Weights are random.
 */
final class Mosaic implements VisionLanguageModel {
  static final int IMAGE = 95;
  static final int PATCH = 4;
  static final int WIDTH = 32; // of the tower
  static final int VISION_HEADS = 2;
  static final int VISION_MLP = 56;
  static final int BLOCKS = 2;
  static final int MOST_PATCHES = 24; // of a crop
  static final float EPS = 1e-5f;

  /** Three frequencies follow the second axis, three the third, two the first. */
  static final int[] SECTIONS = {2, 3, 3};

  private final Random random = new Random(20251128);
  final TextConfig text = new TextConfig(48, 64, 4, 3, 1, 16, 1e-5f, 10000, 512, 96, true, false);

  final StoredTensor cls = table("cls", 1, WIDTH);
  final StoredTensor newline = table("newline", 1, text.hiddenSize());
  final StoredTensor places = table("places", MOST_PATCHES, WIDTH);
  final StoredTensor patch = matrix("patch", WIDTH, 3 * PATCH * PATCH);
  final List<Block> blocks = new ArrayList<>();
  final StoredTensor merge1 = matrix("merge1", text.hiddenSize(), 4 * WIDTH);
  final StoredTensor merge2 = matrix("merge2", text.hiddenSize(), text.hiddenSize());
  final DecoderWeights decoder;

  record Block(
      StoredTensor norm1,
      StoredTensor bias1,
      StoredTensor q,
      StoredTensor k,
      StoredTensor v,
      StoredTensor out,
      StoredTensor norm2,
      StoredTensor bias2,
      StoredTensor fc1,
      StoredTensor fc2) {}

  Mosaic() {
    for (int b = 0; b < BLOCKS; b++) {
      blocks.add(
          new Block(
              ones("norm1", WIDTH),
              table("bias1", WIDTH),
              matrix("q", WIDTH, WIDTH),
              matrix("k", WIDTH, WIDTH),
              matrix("v", WIDTH, WIDTH),
              matrix("out", WIDTH, WIDTH),
              ones("norm2", WIDTH),
              table("bias2", WIDTH),
              matrix("fc1", VISION_MLP, WIDTH),
              matrix("fc2", WIDTH, VISION_MLP)));
    }
    int d = text.hiddenSize();
    int q = text.numAttentionHeads() * text.headDim();
    int kv = text.numKeyValueHeads() * text.headDim();
    int m = text.intermediateSize();
    var layers = new ArrayList<DecoderWeights.Layer>();
    for (int l = 0; l < text.numHiddenLayers(); l++) {
      layers.add(
          new DecoderWeights.Layer(
              ones("input norm", d),
              matrix("q", q, d),
              table("q bias", q),
              matrix("k", kv, d),
              table("k bias", kv),
              matrix("v", kv, d),
              table("v bias", kv),
              matrix("o", d, q),
              null,
              ones("post norm", d),
              matrix("gate", m, d),
              null,
              matrix("up", m, d),
              null,
              matrix("down", d, m),
              null));
    }
    decoder =
        new DecoderWeights(
            table("embed", text.vocabSize(), d),
            layers,
            ones("norm", d),
            matrix("head", text.vocabSize(), d));
  }

  private StoredTensor values(String name, double mean, double deviation, Integer... shape) {
    int n = IntStream.range(0, shape.length).map(i -> shape[i]).reduce(1, (a, b) -> a * b);
    float[] values = new float[n];
    for (int i = 0; i < n; i++) {
      values[i] = (float) (mean + deviation * random.nextGaussian());
    }
    return StoredTensor.of(name, List.of(shape), values);
  }

  private StoredTensor matrix(String name, int out, int in) {
    return values(name, 0, 1.6 / Math.sqrt(in), out, in);
  }

  private StoredTensor table(String name, Integer... shape) {
    return values(name, 0, 0.5, shape);
  }

  private StoredTensor ones(String name, int n) {
    return values(name, 1, 0.2, n);
  }

  // ---- configuration ----

  @Override
  public TextConfig text() {
    return text;
  }

  @Override
  public Object config() {
    return text;
  }

  @Override
  public String dtype() {
    return "float32";
  }

  @Override
  public List<Integer> endTokens() {
    return List.of(2);
  }

  @Override
  public List<String> unknownKeys() {
    return List.of();
  }

  @Override
  public int visionBlocks() {
    return BLOCKS;
  }

  @Override
  public String tower() {
    return "a mosaic";
  }

  @Override
  public int imageToken() {
    return IMAGE;
  }

  @Override
  public Template template() {
    return Template.LLAVA_HF;
  }

  // ---- images ----

  /** A small image of the whole, 2×2 tokens, and tiles of 2×3 tokens along the longer side. */
  @Override
  public ImageProcessor images(Path dir) {
    return new ImageProcessor() {
      @Override
      public ImageInput prepare(Image image, ImageOptions options, String name) {
        boolean wide = image.width() > image.height();
        int tiles = Math.round(wide ? ratio(image) : 1 / ratio(image));
        var crops = new ArrayList<Preprocess.Prepared>();
        crops.add(resized(image, 0, 0, image.width(), image.height(), 16, 16));
        int w = wide ? image.width() / tiles : image.width();
        int h = wide ? image.height() : image.height() / tiles;
        for (int t = 0; t < tiles; t++) {
          crops.add(resized(image, wide ? t * w : 0, wide ? 0 : t * h, w, h, 16, 24));
        }
        return new ImageInput(Mosaic.tokens(wide ? 1 : tiles, wide ? tiles : 1), crops);
      }

      @Override
      public ImageTokens tokens(int height, int width, ImageOptions options) {
        return typicalImage();
      }
    };
  }

  private static float ratio(Image p) {
    return (float) p.width() / p.height();
  }

  private static Preprocess.Prepared resized(
      Image p, int x, int y, int w, int h, int height, int width) {
    byte[] part = new byte[3 * w * h];
    for (int row = 0; row < h; row++) {
      System.arraycopy(p.rgb(), 3 * ((y + row) * p.width() + x), part, 3 * row * w, 3 * w);
    }
    var none = List.of(0.5, 0.5, 0.5);
    var size =
        new Preprocess(
            true, 3, 0, height, width, false, 0, 0, true, 1 / 255.0, true, none, none, false);
    float[] pixels =
        size.apply(new Image(w, h, part), starling.image.ImageMode.CHECKPOINT, "part").pixels();
    return new Preprocess.Prepared(pixels, height, width, new Rectangle2D.Double(x, y, w, h));
  }

  @Override
  public ImageTokens typicalImage() {
    return tokens(1, 2);
  }

  /** The tokens of an image of so many tiles below and beside each other. */
  static ImageTokens tokens(int down, int across) {
    var crops = new ArrayList<ImageTokens.Crop>();
    crops.add(new ImageTokens.Crop(2, 2, 0, 1, 16));
    for (int t = 0; t < down * across; t++) {
      crops.add(new ImageTokens.Crop(2, 3, crops.getLast().end(), 1, 24));
    }
    int[] row = new int[4 + 6 * down * across];
    int[] crop = new int[row.length];
    int[] place = new int[row.length];
    int[] sources = new int[4 * row.length];
    int j = 0;
    int at = 0;
    for (int y = 0; y < 2 + 2 * down; y++) {
      boolean small = y < 2;
      for (int x = 0; x < (small ? 2 : 3 * across); x++, j++, at++) {
        crop[j] = small ? 0 : 1 + (y - 2) / 2 * across + x / 3;
        ImageTokens.Crop c = crops.get(crop[j]);
        int cy = y % 2;
        int cx = small ? x : x % 3;
        row[j] = at;
        place[j] = cy * c.columns() + cx;
        for (int s = 0; s < 4; s++) {
          sources[4 * j + s] = c.first() + 1 + (2 * cy + s / 2) * 2 * c.columns() + 2 * cx + s % 2;
        }
      }
      at += y == 0 ? 0 : 1; // a newline behind the small image and every row of the grid
    }
    return new ImageTokens(crops, at, row, crop, place, sources, new int[0]);
  }

  @Override
  public double towerFlops(ImageTokens image) {
    double d = WIDTH;
    return image.crops().stream()
        .mapToDouble(
            c -> {
              double n = c.cls() + c.patches();
              return BLOCKS * (8 * n * d * d + 4 * n * n * d + 4 * n * d * VISION_MLP);
            })
        .sum();
  }

  @Override
  public double projectorFlops(int rows) {
    double d = text.hiddenSize();
    return 2.0 * rows * (4 * WIDTH * d + d * d);
  }

  @Override
  public long towerElements(ImageTokens image) {
    return image.towerRows() * (6L * WIDTH + VISION_MLP);
  }

  // ---- positions ----

  @Override
  public Positions positions(Layout prompt, List<ImageTokens> images) {
    int[] values = new int[3 * prompt.rows()];
    int p = 0;
    int image = 0;
    for (int t = 0; t < prompt.rows(); t++) {
      Span span = image < images.size() ? prompt.images().get(image) : new Span(0, 0);
      boolean inside = t >= span.from() && t < span.to();
      int[] yx = inside ? standing(images.get(image), t - span.from()) : new int[2];
      values[t] = p;
      values[prompt.rows() + t] = p + yx[0];
      values[2 * prompt.rows() + t] = p + yx[1];
      if (!inside) {
        p++;
      } else if (t == span.to() - 1) {
        p += Math.max(yx[0], yx[1]) + 1;
        image++;
      }
    }
    return new Positions(3, values, p);
  }

  /** Row and column of a row of an image: the small image above the grid, newlines at the end. */
  static int[] standing(ImageTokens tokens, int row) {
    if (row < 5) {
      return row == 4 ? new int[] {1, 2} : new int[] {row / 2, row % 2};
    }
    int across = columns(tokens) + 1;
    return new int[] {2 + (row - 5) / across, (row - 5) % across};
  }

  private static int columns(ImageTokens tokens) {
    int n = 0;
    while (n < tokens.candidates() - 4 && tokens.row()[4 + n] == 5 + n) {
      n++;
    }
    return n;
  }

  @Override
  public int[] ropeSections() {
    return SECTIONS;
  }

  @Override
  public List<PositionRule> positionRules() {
    return List.of(PositionRule.KEEP);
  }

  // ---- weights ----

  @Override
  public Weights weights(Safetensors none) {
    return new Weights() {
      @Override
      public DecoderWeights decoder() {
        return decoder;
      }

      @Override
      public ImageEncoder encoder(Device device, TensorArena arena, DType dtype) {
        return new Tower(device, arena, dtype);
      }
    };
  }

  private final class Tower implements ImageEncoder {
    private record Loaded(Norm norm1, Linear qkv, Linear out, Norm norm2, Linear fc1, Linear fc2) {}

    private final Device device;
    private final DType dtype;
    private final Tensor clsRow;
    private final Tensor newlineRow;
    private final Tensor placeRows;
    private final Tensor zeros;
    private final Linear patchEmbedding;
    private final Linear linear1;
    private final Linear linear2;
    private final List<Loaded> loaded;

    Tower(Device device, TensorArena arena, DType dtype) {
      this.device = device;
      this.dtype = dtype;
      this.clsRow = device.table(arena, dtype, cls);
      this.newlineRow = device.table(arena, dtype, newline);
      this.placeRows = device.table(arena, dtype, places);
      this.zeros = arena.alloc("zeros", DType.I32, 64);
      this.patchEmbedding = plain(arena, patch);
      this.linear1 = plain(arena, merge1);
      this.linear2 = plain(arena, merge2);
      this.loaded = blocks.stream().map(b -> load(arena, b)).toList();
    }

    private Loaded load(TensorArena arena, Block b) {
      int d = WIDTH / VISION_HEADS;
      var none = java.util.Arrays.<StoredTensor>asList(null, null, null);
      var qkv = new Linear.Source(List.of(b.q, b.k, b.v), none, d, 0);
      var out = new Linear.Source(List.of(b.out), none.subList(0, 1), 0, d);
      return new Loaded(
          norm(arena, b.norm1, b.bias1),
          device.linear(arena, dtype, qkv),
          device.linear(arena, dtype, out),
          norm(arena, b.norm2, b.bias2),
          plain(arena, b.fc1),
          plain(arena, b.fc2));
    }

    private Linear plain(TensorArena arena, StoredTensor weight) {
      return device.linear(arena, dtype, Linear.Source.of(weight, null));
    }

    private Norm norm(TensorArena arena, StoredTensor weight, StoredTensor bias) {
      return new Norm(device.table(arena, dtype, weight), device.table(arena, dtype, bias), EPS);
    }

    @Override
    public Seen see(
        List<Tensor> pixels,
        ImageTokens tokens,
        Segments crops,
        TensorArena own,
        TensorArena work) {
      int rows = tokens.towerRows();
      Tensor x = own.alloc("tower", dtype, rows, WIDTH);
      for (int c = 0; c < pixels.size(); c++) {
        patches(x, pixels.get(c), tokens.crops().get(c), work);
      }
      int head = device.headSize(WIDTH / VISION_HEADS);
      int wide = VISION_HEADS * head;
      Tensor qkv = own.alloc("qkv", dtype, rows, 3 * wide);
      Tensor attn = own.alloc("attention", dtype, rows, wide);
      Tensor h = work.alloc("mlp", dtype, rows, VISION_MLP);
      Tensor lse = own.alloc("lse", DType.F32, VISION_HEADS, rows);
      var kv =
          new Kv(
              qkv.columns(wide, 2 * wide).split(VISION_HEADS, head),
              qkv.columns(2 * wide, 3 * wide).split(VISION_HEADS, head),
              crops);
      var in =
          new AttentionInputs(
              qkv.columns(0, wide).split(VISION_HEADS, head),
              kv,
              Mask.NONE,
              (float) (1 / Math.sqrt(WIDTH / VISION_HEADS)));
      for (int b = 0; b < loaded.size(); b++) {
        Loaded w = loaded.get(b);
        boolean last = b == loaded.size() - 1;
        device.gemm(qkv, x, w.qkv, w.norm1, Activation.NONE, null);
        device.attention(attn.split(VISION_HEADS, head), last ? lse : null, in);
        if (!last) {
          finish(w, x, attn, h);
        }
      }
      return new Seen(in, lse, x, attn);
    }

    @Override
    public void encode(Seen seen, ImageCuts cuts, TensorArena work) {
      List<Tensor> goOn = cuts.behindAttention(List.of(seen.x(), seen.attn()));
      Tensor x = goOn.get(0);
      finish(loaded.getLast(), x, goOn.get(1), work.alloc("mlp", dtype, x.rows(), VISION_MLP));
      merge(x, cuts, work);
    }

    private void finish(Loaded w, Tensor x, Tensor attn, Tensor h) {
      device.gemm(x, attn, w.out, null, Activation.NONE, x);
      device.gemm(h, x, w.fc1, w.norm2, Activation.GELU, null);
      device.gemm(x, h, w.fc2, null, Activation.NONE, x);
    }

    private void patches(Tensor x, Tensor pixels, ImageTokens.Crop crop, TensorArena work) {
      Tensor patches = work.alloc("patches", dtype, crop.patches(), 3 * PATCH * PATCH);
      device.patchify(patches, pixels, PATCH);
      int first = crop.first() + 1;
      device.embed(x.rows(crop.first(), first), zeros.rows(0, 1), clsRow);
      Tensor where = placeRows.rows(0, crop.patches());
      device.gemm(x.rows(first, crop.end()), patches, patchEmbedding, null, Activation.NONE, where);
    }

    /** Four rows to one, two products, and the newlines. */
    private void merge(Tensor x, ImageCuts cuts, TensorArena work) {
      Tensor cells = cuts.beforeProjector(x.fold(4));
      Tensor h = work.alloc("merged", dtype, cells.rows(), linear1.out());
      device.gemm(h, cells, linear1, null, Activation.GELU, null);
      int fixed = cuts.tokens().tableRows();
      Tensor rows = cuts.projected(fixed + cells.rows());
      device.embed(rows.rows(0, fixed), zeros.rows(0, fixed), newlineRow);
      device.gemm(rows.rows(fixed, rows.rows()), h, linear2, null, Activation.NONE, null);
      cuts.intoDecoder(rows);
    }
  }
}
