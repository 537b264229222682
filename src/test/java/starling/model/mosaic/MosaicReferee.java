package starling.model.mosaic;

import static starling.model.Doubles.add;
import static starling.model.Doubles.attention;
import static starling.model.Doubles.gelu;
import static starling.model.Doubles.layernorm;
import static starling.model.Doubles.product;
import static starling.model.Doubles.rmsnorm;
import static starling.model.Doubles.row;

import java.util.ArrayList;
import java.util.List;
import starling.checkpoint.DecoderWeights;
import starling.checkpoint.TextConfig;
import starling.image.Preprocess;
import starling.model.ImageInput;
import starling.prune.ImageTokens;

/** The forward pass of {@link Mosaic} in doubles, row by row, with the kept sets given. */
final class MosaicReferee {
  private final Mosaic m;

  /** Scores of stage 1, {@code [image][candidate]}: means over patch rows, and of the CLS row. */
  final List<double[]> fromPatches = new ArrayList<>();

  final List<double[]> fromCls = new ArrayList<>();

  MosaicReferee(Mosaic m) {
    this.m = m;
  }

  /** A row of the decoder. */
  private record Row(double[] x, int[] position, int image, int candidate) {}

  /**
   * Logits of the last row.
   *
   * @param drawn tokens drawn so far, behind the prompt
   * @param first what is kept before the decoder, of each image
   * @param layer layers in full before the second cut, 0 for none
   * @param second what is kept there, of each image
   */
  double[] logits(
      int[] ids,
      int[] drawn,
      List<ImageInput> images,
      List<List<Integer>> first,
      int layer,
      List<List<Integer>> second) {
    fromPatches.clear();
    fromCls.clear();
    var rows = new ArrayList<Row>();
    int p = 0;
    int image = 0;
    for (int id : ids) {
      if (id != Mosaic.IMAGE) {
        rows.add(new Row(row(m.decoder.embedTokens(), id), new int[] {p, p, p}, -1, -1));
        p++;
        continue;
      }
      ImageTokens t = images.get(image).tokens();
      double[][] cells = cells(images.get(image));
      int candidate = 0;
      int reach = 0;
      for (int r = 0; r < t.rows(); r++) {
        int[] yx = Mosaic.standing(t, r);
        int[] position = {p, p + yx[0], p + yx[1]};
        reach = Math.max(reach, Math.max(yx[0], yx[1]) + 1);
        boolean chosen = candidate < t.candidates() && t.row()[candidate] == r;
        if (!chosen) {
          rows.add(new Row(row(m.newline, 0), position, image, -1));
        } else if (first.get(image).contains(candidate)) {
          rows.add(new Row(cells[candidate], position, image, candidate));
        }
        candidate += chosen ? 1 : 0;
      }
      p += reach;
      image++;
    }
    for (int id : drawn) {
      rows.add(new Row(row(m.decoder.embedTokens(), id), new int[] {p, p, p}, -1, -1));
      p++;
    }
    return decode(rows, layer, second);
  }

  // ---- tower ----

  private double[][] cells(ImageInput image) {
    ImageTokens t = image.tokens();
    double[][] x = new double[t.towerRows()][];
    double[] patches = new double[t.towerRows()];
    double[] cls = new double[t.towerRows()];
    for (int c = 0; c < t.crops().size(); c++) {
      ImageTokens.Crop crop = t.crops().get(c);
      double[][] own = embedded(image.crops().get(c), crop);
      for (int b = 0; b < Mosaic.BLOCKS; b++) {
        boolean last = b == Mosaic.BLOCKS - 1;
        block(own, m.blocks.get(b), last ? patches : null, cls, crop.first());
      }
      System.arraycopy(own, 0, x, crop.first(), own.length);
    }
    double[][] cells = new double[t.candidates()][];
    double[] byPatches = new double[t.candidates()];
    double[] byCls = new double[t.candidates()];
    for (int j = 0; j < cells.length; j++) {
      double[] four = new double[4 * Mosaic.WIDTH];
      for (int s = 0; s < 4; s++) {
        int source = t.sources()[4 * j + s];
        System.arraycopy(x[source], 0, four, s * Mosaic.WIDTH, Mosaic.WIDTH);
        byPatches[j] += patches[source] / 4;
        byCls[j] += cls[source] / 4;
      }
      double[] h = product(m.merge1, null, four);
      for (int i = 0; i < h.length; i++) {
        h[i] = gelu(h[i]);
      }
      cells[j] = product(m.merge2, null, h);
    }
    fromPatches.add(byPatches);
    fromCls.add(byCls);
    return cells;
  }

  private double[][] embedded(Preprocess.Prepared pixels, ImageTokens.Crop crop) {
    double[][] x = new double[1 + crop.patches()][];
    x[0] = row(m.cls, 0);
    int across = pixels.width() / Mosaic.PATCH;
    for (int i = 0; i < crop.patches(); i++) {
      double[] patch = new double[3 * Mosaic.PATCH * Mosaic.PATCH];
      for (int e = 0; e < patch.length; e++) {
        int c = e / 16;
        int y = i / across * 4 + e % 16 / 4;
        int xx = i % across * 4 + e % 4;
        patch[e] = pixels.pixels()[(c * pixels.height() + y) * pixels.width() + xx];
      }
      x[1 + i] = add(product(m.patch, null, patch), row(m.places, i));
    }
    return x;
  }

  private void block(double[][] x, Mosaic.Block w, double[] patches, double[] cls, int first) {
    int n = x.length;
    int d = Mosaic.WIDTH / Mosaic.VISION_HEADS;
    double[][] q = new double[n][];
    double[][] k = new double[n][];
    double[][] v = new double[n][];
    for (int i = 0; i < n; i++) {
      double[] normed = layernorm(x[i], w.norm1(), w.bias1(), Mosaic.EPS);
      q[i] = product(w.q(), null, normed);
      k[i] = product(w.k(), null, normed);
      v[i] = product(w.v(), null, normed);
    }
    for (int i = 0; i < n; i++) {
      double[] out = new double[Mosaic.WIDTH];
      for (int h = 0; h < Mosaic.VISION_HEADS; h++) {
        double[] a = attention(q[i], h * d, k, h * d, d, n);
        for (int j = 0; j < n; j++) {
          for (int e = 0; e < d; e++) {
            out[h * d + e] += a[j] * v[j][h * d + e];
          }
          if (patches != null && i > 0) {
            patches[first + j] += a[j] / Mosaic.VISION_HEADS / (n - 1);
          }
          if (patches != null && i == 0) {
            cls[first + j] += a[j] / Mosaic.VISION_HEADS;
          }
        }
      }
      x[i] = add(x[i], product(w.out(), null, out));
    }
    for (int i = 0; i < n; i++) {
      double[] h = product(w.fc1(), null, layernorm(x[i], w.norm2(), w.bias2(), Mosaic.EPS));
      for (int e = 0; e < h.length; e++) {
        h[e] = gelu(h[e]);
      }
      x[i] = add(x[i], product(w.fc2(), null, h));
    }
  }

  // ---- decoder ----

  private double[] decode(List<Row> start, int layer, List<List<Integer>> second) {
    TextConfig c = m.text;
    int d = c.headDim();
    List<Row> rows = start;
    for (int l = 0; l < c.numHiddenLayers(); l++) {
      DecoderWeights.Layer w = m.decoder.layers().get(l);
      int n = rows.size();
      double[][] k = new double[n][];
      double[][] v = new double[n][];
      var after = new ArrayList<Row>();
      for (int i = 0; i < n; i++) {
        Row r = rows.get(i);
        double[] normed = rmsnorm(r.x, w.inputNorm(), m.text.rmsNormEps());
        double[] q = product(w.qWeight(), w.qBias(), normed);
        k[i] = product(w.kWeight(), w.kBias(), normed);
        v[i] = product(w.vWeight(), w.vBias(), normed);
        rotate(q, r.position);
        rotate(k[i], r.position);
        double[] out = new double[c.numAttentionHeads() * d];
        for (int h = 0; h < c.numAttentionHeads(); h++) {
          double[] a = attention(q, h * d, k, 0, d, i + 1);
          for (int j = 0; j <= i; j++) {
            for (int e = 0; e < d; e++) {
              out[h * d + e] += a[j] * v[j][e];
            }
          }
        }
        boolean dropped =
            l + 1 == layer && r.candidate >= 0 && !second.get(r.image).contains(r.candidate);
        if (!dropped) {
          double[] x = add(r.x, product(w.oWeight(), null, out));
          double[] inner = rmsnorm(x, w.postAttentionNorm(), m.text.rmsNormEps());
          double[] gate = product(w.gateWeight(), null, inner);
          double[] up = product(w.upWeight(), null, inner);
          for (int e = 0; e < up.length; e++) {
            up[e] *= gate[e] / (1 + Math.exp(-gate[e]));
          }
          after.add(
              new Row(add(x, product(w.downWeight(), null, up)), r.position, r.image, r.candidate));
        }
      }
      rows = after;
    }
    double[] last = rmsnorm(rows.getLast().x, m.decoder.norm(), m.text.rmsNormEps());
    return product(m.decoder.lmHead(), null, last);
  }

  /** Frequencies 0 and 1 by the first axis, three by the second, three by the third. */
  private void rotate(double[] x, int[] position) {
    int d = m.text.headDim();
    for (int h = 0; h < x.length / d; h++) {
      for (int i = 0; i < d / 2; i++) {
        int axis = i < 2 ? 0 : i < 5 ? 1 : 2;
        double angle = position[axis] * Math.pow(m.text.ropeTheta(), -2.0 * i / d);
        double a = x[h * d + i];
        double b = x[h * d + i + d / 2];
        x[h * d + i] = a * Math.cos(angle) - b * Math.sin(angle);
        x[h * d + i + d / 2] = b * Math.cos(angle) + a * Math.sin(angle);
      }
    }
  }
}
