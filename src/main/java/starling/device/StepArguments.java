package starling.device;

import static starling.device.TensorChecks.apart;

/** Arguments of {@link Device#stepAttention}: those of the three operators that it is. */
final class StepArguments {
  private final RowArguments rows;
  private final RopeArguments rope;
  private final AttentionArguments attention;

  StepArguments(RowArguments rows, RopeArguments rope, AttentionArguments attention) {
    this.rows = rows;
    this.rope = rope;
    this.attention = attention;
  }

  void stepAttention(
      Tensor y,
      Tensor statistics,
      Tensor qkv,
      AttentionInputs in,
      Rope table,
      Tensor attended,
      Linear w,
      Tensor residual) {
    Tensor q = in.q();
    rope.rope(q, in.kv(), qkv, null, table);
    TensorChecks.vectors("qkv", qkv, q.dim(2));
    few(q, in.kv().segments());
    attention.attended(attended, in);
    if (!in.mask().causal()) {
      throw new IllegalArgumentException("q: " + q + " in a step, whose attention is causal");
    }
    rows.product(y, attended, w, Activation.NONE, residual, null, statistics);
    Tensor hidden = in.mask().hidden();
    apart("q", q, "hidden", hidden);
    apart("k", in.kv().k(), "hidden", hidden);
    apart("v", in.kv().v(), "hidden", hidden);
    foreign("q", q, w, residual);
    foreign("k", in.kv().k(), w, residual);
    foreign("v", in.kv().v(), w, residual);
    foreign("attended", attended, w, residual);
    output("y", y, qkv, in, table);
    output("attended", attended, qkv, in, table);
    if (statistics != null) {
      output("statistics", statistics, qkv, in, table);
    }
  }

  private static void output(String role, Tensor out, Tensor qkv, AttentionInputs in, Rope table) {
    AttentionArguments.output(role, out, in);
    apart(role, out, "qkv", qkv);
    apart(role, out, "cos", table.cos());
    apart(role, out, "sin", table.sin());
  }

  /** Apart from what only the product reads. */
  private static void foreign(String role, Tensor out, Linear w, Tensor residual) {
    for (int i = 0; i < w.parts().size(); i++) { // no iterator: a step allocates nothing
      apart(role, out, "w", w.parts().get(i));
    }
    apart(role, out, "bias", w.bias());
    apart(role, out, "residual", residual);
  }

  private static void few(Tensor q, Segments segments) {
    if (q.rows() > Arguments.STEP_CALL || segments.rows() > Arguments.STEP_ROWS) {
      throw new IllegalArgumentException(
          "segments: %s, of at most %s rows each; a step has at most %s, and %s in all, where %s"
              .formatted(
                  segments.table(), segments.rows(), Arguments.STEP_ROWS, Arguments.STEP_CALL, q));
    }
  }
}
