package starling.model.next;

import static starling.model.Doubles.add;
import static starling.model.Doubles.attention;
import static starling.model.Doubles.gelu;
import static starling.model.Doubles.layernorm;
import static starling.model.Doubles.product;
import static starling.model.Doubles.rmsnorm;
import static starling.model.Doubles.row;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import starling.checkpoint.ClipWeights;
import starling.checkpoint.DecoderWeights;
import starling.checkpoint.LlavaNextWeights;
import starling.checkpoint.TextConfig;

/**
 * The forward pass of a tiny LLaVA-NeXT in doubles, row by row, with one cut inside the decoder
 * that it chooses itself. Rows and their order are made as the paper's code makes them: feature
 * maps are stitched, cut and flattened, with no list of the program's.
 */
final class NextReferee {
  private static final int TILE = 28;
  private static final int PATCH = 7;
  private static final int SIDE = TILE / PATCH;
  private static final int BLOCKS = 2; // of three: the feature is the last but one

  private final TextConfig text;
  private final LlavaNextWeights weights;

  /** What the cut keeps of each image, as numbers among its candidates. */
  final List<List<Integer>> kept = new ArrayList<>();

  NextReferee(TextConfig text, LlavaNextWeights weights) {
    this.text = text;
    this.weights = weights;
  }

  /**
   * An image as the test knows it.
   *
   * @param pixels of each crop
   * @param down tiles below each other
   * @param across tiles beside each other
   */
  record Picture(List<float[]> pixels, int height, int width, int down, int across) {}

  /**
   * The cut.
   *
   * @param layer layers in full before it; 0 for none
   * @param count rows that each image keeps
   * @param allText whether all text rows behind the images count, and not the last alone
   * @param newlines whether newline rows are candidates
   */
  record Cut(int layer, int count, boolean allText, boolean newlines) {}

  private record Row(double[] x, int position, int image, int candidate) {}

  /**
   * Logits of the last row.
   *
   * @param drawn tokens drawn so far, behind the prompt
   */
  double[] logits(int[] ids, int imageToken, int[] drawn, List<Picture> pictures, Cut cut) {
    var rows = new ArrayList<Row>();
    int images = 0;
    int lastImage = 0;
    for (int id : ids) {
      if (id != imageToken) {
        rows.add(token(id, rows.size()));
        continue;
      }
      int candidate = 0;
      for (double[] x : rows(pictures.get(images))) {
        boolean fixed = x == null && !cut.newlines;
        double[] own = x == null ? row(weights.newline(), 0) : x;
        rows.add(new Row(own, rows.size(), images, fixed ? -1 : candidate));
        candidate += fixed ? 0 : 1;
      }
      images++;
      lastImage = rows.size();
    }
    int prompt = rows.size();
    for (int id : drawn) {
      rows.add(token(id, rows.size()));
    }
    return decode(rows, images, cut, cut.allText ? lastImage : prompt - 1, prompt);
  }

  private Row token(int id, int position) {
    return new Row(row(decoder().embedTokens(), id), position, -1, -1);
  }

  private DecoderWeights decoder() {
    return weights.llava().decoder();
  }

  // ---- image ----

  /** Rows of the decoder; null for a newline. */
  private List<double[]> rows(Picture p) {
    var all = new ArrayList<double[]>();
    double[][] base = crop(p.pixels.get(0));
    all.addAll(List.of(base));
    var map = new double[p.down * SIDE][p.across * SIDE][];
    for (int r = 0; r < p.down; r++) {
      for (int c = 0; c < p.across; c++) {
        double[][] tile = crop(p.pixels.get(1 + r * p.across + c));
        for (int i = 0; i < SIDE * SIDE; i++) {
          map[r * SIDE + i / SIDE][c * SIDE + i % SIDE] = tile[i];
        }
      }
    }
    int top = 0;
    int left = 0;
    if ((double) p.width / p.height > (double) p.across / p.down) {
      int inside = (int) ((double) p.across * SIDE * p.height / p.width + 1e-7);
      top = (p.down * SIDE - inside) / 2;
    } else {
      int inside = (int) ((double) p.down * SIDE * p.width / p.height + 1e-7);
      left = (p.across * SIDE - inside) / 2;
    }
    for (int y = top; y < map.length - top; y++) {
      for (int x = left; x < map[y].length - left; x++) {
        all.add(map[y][x]);
      }
      all.add(null);
    }
    return all;
  }

  private double[][] crop(float[] pixels) {
    ClipWeights v = weights.llava().vision();
    int n = 1 + SIDE * SIDE;
    double[][] x = new double[n][];
    for (int i = 0; i < n; i++) {
      double[] own =
          i == 0 ? row(v.classEmbedding().as(List.of(1, 16)), 0) : patch(v, pixels, i - 1);
      x[i] =
          layernorm(
              add(own, row(v.positionEmbedding(), i)), v.preNormWeight(), v.preNormBias(), 1e-5);
    }
    for (int b = 0; b < BLOCKS; b++) {
      block(x, v.blocks().get(b));
    }
    double[][] out = new double[n - 1][];
    var p = weights.llava().projector();
    for (int i = 1; i < n; i++) {
      double[] h = product(p.linear1Weight(), p.linear1Bias(), x[i]);
      for (int e = 0; e < h.length; e++) {
        h[e] = gelu(h[e]);
      }
      out[i - 1] = product(p.linear2Weight(), p.linear2Bias(), h);
    }
    return out;
  }

  private static double[] patch(ClipWeights v, float[] pixels, int patch) {
    double[] in = new double[3 * PATCH * PATCH];
    for (int e = 0; e < in.length; e++) {
      int c = e / (PATCH * PATCH);
      int y = patch / SIDE * PATCH + e / PATCH % PATCH;
      int x = patch % SIDE * PATCH + e % PATCH;
      in[e] = pixels[(c * TILE + y) * TILE + x];
    }
    return product(v.patchEmbedding(), null, in);
  }

  private static void block(double[][] x, ClipWeights.Block w) {
    int n = x.length;
    int d = 8;
    double[][] q = new double[n][];
    double[][] k = new double[n][];
    double[][] v = new double[n][];
    for (int i = 0; i < n; i++) {
      double[] normed = layernorm(x[i], w.norm1Weight(), w.norm1Bias(), 1e-5);
      q[i] = product(w.qWeight(), w.qBias(), normed);
      k[i] = product(w.kWeight(), w.kBias(), normed);
      v[i] = product(w.vWeight(), w.vBias(), normed);
    }
    for (int i = 0; i < n; i++) {
      double[] out = new double[x[i].length];
      for (int h = 0; h < out.length / d; h++) {
        weigh(out, h * d, attention(q[i], h * d, k, h * d, d, n), v, h * d, d);
      }
      double[] y = add(x[i], product(w.outWeight(), w.outBias(), out));
      double[] h =
          product(w.fc1Weight(), w.fc1Bias(), layernorm(y, w.norm2Weight(), w.norm2Bias(), 1e-5));
      for (int e = 0; e < h.length; e++) {
        h[e] /= 1 + Math.exp(-1.702 * h[e]);
      }
      x[i] = add(y, product(w.fc2Weight(), w.fc2Bias(), h));
    }
  }

  private static void weigh(double[] out, int to, double[] a, double[][] v, int from, int d) {
    for (int j = 0; j < a.length; j++) {
      for (int e = 0; e < d; e++) {
        out[to + e] += a[j] * v[j][from + e];
      }
    }
  }

  // ---- decoder ----

  /** The rows from {@code ask} to {@code asked} are those whose attention counts. */
  private double[] decode(List<Row> start, int images, Cut cut, int ask, int asked) {
    List<Row> rows = start;
    for (int l = 0; l < text.numHiddenLayers(); l++) {
      double[] received = new double[rows.size()];
      List<Row> attended = attend(l, rows, received, ask, asked);
      rows = l + 1 == cut.layer ? cut(attended, received, images, cut) : attended;
      rows = mlp(decoder().layers().get(l), rows);
    }
    double[] last = rmsnorm(rows.getLast().x, decoder().norm(), text.rmsNormEps());
    return product(decoder().lmHead(), null, last);
  }

  private List<Row> attend(int l, List<Row> rows, double[] received, int ask, int asked) {
    DecoderWeights.Layer w = decoder().layers().get(l);
    int n = rows.size();
    int d = text.headDim();
    int group = text.numAttentionHeads() / text.numKeyValueHeads();
    double[][] k = new double[n][];
    double[][] v = new double[n][];
    var after = new ArrayList<Row>();
    for (int i = 0; i < n; i++) {
      Row r = rows.get(i);
      double[] normed = rmsnorm(r.x, w.inputNorm(), text.rmsNormEps());
      double[] q = product(w.qWeight(), null, normed);
      k[i] = product(w.kWeight(), null, normed);
      v[i] = product(w.vWeight(), null, normed);
      rotate(q, r.position);
      rotate(k[i], r.position);
      double[] out = new double[text.numAttentionHeads() * d];
      for (int h = 0; h < text.numAttentionHeads(); h++) {
        double[] a = attention(q, h * d, k, h / group * d, d, i + 1);
        weigh(out, h * d, a, v, h / group * d, d);
        for (int j = 0; j <= i && i >= ask && i < asked; j++) {
          received[j] += a[j];
        }
      }
      after.add(
          new Row(add(r.x, product(w.oWeight(), null, out)), r.position, r.image, r.candidate));
    }
    return after;
  }

  private List<Row> mlp(DecoderWeights.Layer w, List<Row> rows) {
    var after = new ArrayList<Row>();
    for (Row r : rows) {
      double[] inner = rmsnorm(r.x, w.postAttentionNorm(), text.rmsNormEps());
      double[] gate = product(w.gateWeight(), null, inner);
      double[] up = product(w.upWeight(), null, inner);
      for (int e = 0; e < up.length; e++) {
        up[e] *= gate[e] / (1 + Math.exp(-gate[e]));
      }
      double[] x = add(r.x, product(w.downWeight(), null, up));
      after.add(new Row(x, r.position, r.image, r.candidate));
    }
    return after;
  }

  private List<Row> cut(List<Row> rows, double[] received, int images, Cut cut) {
    kept.clear();
    for (int image = 0; image < images; image++) {
      int own = image;
      kept.add(
          IntStream.range(0, rows.size())
              .filter(r -> rows.get(r).image == own && rows.get(r).candidate >= 0)
              .boxed()
              .sorted(Comparator.comparing(r -> -received[r]))
              .limit(cut.count)
              .map(r -> rows.get(r).candidate)
              .sorted()
              .toList());
    }
    return rows.stream()
        .filter(r -> r.candidate < 0 || kept.get(r.image).contains(r.candidate))
        .toList();
  }

  private void rotate(double[] x, int position) {
    int d = text.headDim();
    for (int h = 0; h < x.length / d; h++) {
      for (int i = 0; i < d / 2; i++) {
        double angle = position * Math.pow(text.ropeTheta(), -2.0 * i / d);
        double a = x[h * d + i];
        double b = x[h * d + i + d / 2];
        x[h * d + i] = a * Math.cos(angle) - b * Math.sin(angle);
        x[h * d + i + d / 2] = b * Math.cos(angle) + a * Math.sin(angle);
      }
    }
  }
}
