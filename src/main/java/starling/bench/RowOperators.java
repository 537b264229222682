package starling.bench;

import java.util.List;
import starling.bench.Operator.Sizes;
import starling.device.Activation;
import starling.device.DType;
import starling.device.DeviceType;
import starling.device.Linear;
import starling.device.Norm;
import starling.device.ProductRows;
import starling.device.Tensor;
import starling.jcuda.Jcublas;

/** What is done to every row: patches, embeddings, norms and products. */
final class RowOperators {
  private static final float EPS = 1e-5f;

  private RowOperators() {}

  static final Operator PATCHIFY =
      new Operator(
          "patchify",
          List.of("image", "patch"),
          true,
          (in, s) -> {
            int patch = s.get("patch");
            int across = s.get("image") / patch;
            Tensor out = in.out("out", in.dtype, across * across, 3 * patch * patch);
            Tensor pixels = in.planes("pixels", 3, s.get("image"), s.get("image"));
            return () -> in.device.patchify(out, pixels, patch);
          },
          (s, t) -> 3 * s.at("image") * s.at("image") * (4 + t.bytes()),
          (s, t) -> 0);

  static final Operator EMBED =
      new Operator(
          "embed",
          List.of("T", "D", "V"),
          true,
          (in, s) -> {
            Tensor out = in.out("out", in.dtype, s.get("T"), s.get("D"));
            Tensor ids = in.ints("ids", in.below(s.get("V"), s.get("T")));
            Tensor table = in.floats("table", 1, s.get("V"), s.get("D"));
            return () -> in.device.embed(out, ids, table);
          },
          (s, t) -> 4 * s.at("T") + 2 * s.at("T") * s.at("D") * t.bytes(),
          (s, t) -> 0);

  static final Operator LAYERNORM =
      new Operator(
          "layernorm",
          List.of("T", "D"),
          true,
          (in, s) -> {
            Tensor out = in.out("out", in.dtype, s.get("T"), s.get("D"));
            Tensor x = in.floats("x", 1, s.get("T"), s.get("D"));
            var norm =
                new Norm(in.floats("weight", 1, s.get("D")), in.floats("bias", 1, s.get("D")), EPS);
            return () -> in.device.layernorm(out, x, norm);
          },
          (s, t) -> 2 * (s.at("T") + 1) * s.at("D") * t.bytes(),
          (s, t) -> 0);

  static final Operator RMSNORM =
      new Operator(
          "rmsnorm",
          List.of("T", "D"),
          true,
          (in, s) -> {
            Tensor out = in.out("out", in.dtype, s.get("T"), s.get("D"));
            Tensor x = in.floats("x", 1, s.get("T"), s.get("D"));
            var norm = new Norm(in.floats("weight", 1, s.get("D")), null, EPS);
            return () -> in.device.rmsnorm(out, x, norm);
          },
          (s, t) -> (2 * s.at("T") + 1) * s.at("D") * t.bytes(),
          (s, t) -> 0);

  static final Operator ROW_STATISTICS =
      new Operator(
          "row_statistics",
          List.of("T", "D"),
          true,
          (in, s) -> {
            int parts = ProductRows.parts(s.get("T"), s.get("D"));
            Tensor statistics = in.out("statistics", DType.F32, s.get("T"), 2 * parts);
            Tensor x = in.floats("x", 1, s.get("T"), s.get("D"));
            return () -> in.device.rowStatistics(statistics, x);
          },
          (s, t) ->
              s.at("T") * (s.at("D") * t.bytes() + 8.0 * ProductRows.parts(s.get("T"), s.get("D"))),
          (s, t) -> 0);

  static final Operator GEMM =
      new Operator(
          "gemm",
          List.of("T", "in_features", "out_features"),
          true,
          (in, s) -> {
            Gemm g = gemm(in, s);
            Linear w = in.device.asLinear(g.w, null);
            return () -> in.device.gemm(g.y, g.x, w, null, Activation.NONE, null);
          },
          (s, t) ->
              t.bytes()
                  * (s.at("T") * s.at("in_features")
                      + s.at("out_features") * s.at("in_features")
                      + s.at("T") * s.at("out_features")),
          (s, t) -> 2 * s.at("T") * s.at("in_features") * s.at("out_features"));

  private record Gemm(Tensor y, Tensor x, Tensor w) {}

  private static Gemm gemm(Inputs in, Sizes s) {
    return new Gemm(
        in.out("y", in.dtype, s.get("T"), s.get("out_features")),
        in.floats("x", 1, s.get("T"), s.get("in_features")),
        in.floats(
            "w", 1 / Math.sqrt(s.get("in_features")), s.get("out_features"), s.get("in_features")));
  }

  /**
   * JCublas in gemm's place on the device under test; what is right is still our own operator's.
   */
  static Operator gemmBy(Jcublas jcublas, Operator gemm) {
    return new Operator(
        gemm.name(),
        gemm.axes(),
        gemm.typed(),
        (in, s) -> {
          if (in.device.type() != DeviceType.CUDA) {
            return gemm.body().apply(in, s);
          }
          Gemm g = gemm(in, s);
          return () -> jcublas.multiply(g.y, g.x, g.w);
        },
        gemm.bytes(),
        gemm.flops());
  }
}
