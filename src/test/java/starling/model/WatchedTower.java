package starling.model;

import java.lang.foreign.MemorySegment;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import starling.checkpoint.DecoderWeights;
import starling.device.DType;
import starling.device.Device;
import starling.device.Segments;
import starling.device.Tensor;
import starling.device.TensorArena;
import starling.prune.ImageTokens;

/**
 * Writes the residual stream of every image's tower and of the decoder down as it passes: the rows
 * before block 0, which are those that the first product with a norm reads, and behind each block,
 * which adds to them twice.
 */
final class WatchedTower {
  /** Takes an array of a step. */
  interface Steps {
    void keep(String name, float[] values, Integer... shape);
  }

  private final Device device;
  private final Steps steps;
  private final Set<String> seen = new HashSet<>();
  private int image = -1;
  private boolean inTower;
  private int residuals;
  private boolean enough;

  WatchedTower(Device device, Steps steps) {
    this.device = device;
    this.steps = steps;
  }

  /** One prompt is read; nothing more is to be written down. */
  void enough() {
    enough = true;
  }

  /** The same weights, with an encoder that says when an image is in the tower. */
  VisionLanguageModel.Weights weights(VisionLanguageModel.Weights weights) {
    return new VisionLanguageModel.Weights() {
      @Override
      public DecoderWeights decoder() {
        return weights.decoder();
      }

      @Override
      public ImageEncoder encoder(Device device, TensorArena arena, DType dtype) {
        ImageEncoder encoder = weights.encoder(device, arena, dtype);
        return new ImageEncoder() {
          @Override
          public Seen see(
              List<Tensor> pixels,
              ImageTokens tokens,
              Segments crops,
              TensorArena own,
              TensorArena work) {
            image++;
            inTower = true;
            return encoder.see(pixels, tokens, crops, own, work);
          }

          @Override
          public void encode(Seen seen, ImageCuts cuts, TensorArena work) {
            encoder.encode(seen, cuts, work);
            inTower = false;
          }
        };
      }
    };
  }

  /** The same device, watched. */
  Device device() {
    return (Device)
        Proxy.newProxyInstance(
            Device.class.getClassLoader(),
            new Class<?>[] {Device.class},
            (self, method, arguments) -> {
              try {
                boolean product = !enough && method.getName().equals("gemm");
                if (product && arguments[3] != null) {
                  entering((Tensor) arguments[1]);
                }
                Object result = method.invoke(device, arguments);
                if (product && arguments[0] == arguments[5]) {
                  added((Tensor) arguments[0]);
                }
                return result;
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
  }

  private String stream() {
    return inTower ? "vision." + image : "text";
  }

  private void entering(Tensor rows) {
    if (seen.add(stream())) {
      residuals = 0;
      keep(stream() + ".0", rows);
    }
  }

  private void added(Tensor rows) {
    if (++residuals % 2 == 0) {
      keep(stream() + "." + residuals / 2, rows);
    }
  }

  private void keep(String name, Tensor rows) {
    float[] values = new float[rows.rows() * rows.width()];
    device.download(MemorySegment.ofArray(values), rows);
    steps.keep(name, values, rows.rows(), rows.width());
  }
}
