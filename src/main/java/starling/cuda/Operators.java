package starling.cuda;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.function.ToLongFunction;
import starling.cuda.abi.AbiAttentionInputs;
import starling.cuda.abi.AbiConstants;
import starling.cuda.abi.AbiCut;
import starling.cuda.abi.AbiGather;
import starling.cuda.abi.AbiSegments;
import starling.cuda.abi.AbiTensor;
import starling.cuda.abi.AbiWeight;
import starling.cuda.abi.ActivationArgs;
import starling.cuda.abi.AdvanceArgs;
import starling.cuda.abi.AttentionArgs;
import starling.cuda.abi.AttentionColsumArgs;
import starling.cuda.abi.Bindings;
import starling.cuda.abi.ColsumSelectArgs;
import starling.cuda.abi.CombineRowsArgs;
import starling.cuda.abi.CompactRowsArgs;
import starling.cuda.abi.CosinesArgs;
import starling.cuda.abi.DropDuplicatesArgs;
import starling.cuda.abi.EmbedArgs;
import starling.cuda.abi.GatherRowsArgs;
import starling.cuda.abi.GemmArgs;
import starling.cuda.abi.HideRowsArgs;
import starling.cuda.abi.LayernormArgs;
import starling.cuda.abi.LseFromNaturalArgs;
import starling.cuda.abi.PatchifyArgs;
import starling.cuda.abi.RmsnormArgs;
import starling.cuda.abi.RopeArgs;
import starling.cuda.abi.RowMapArgs;
import starling.cuda.abi.RowStatisticsArgs;
import starling.cuda.abi.SampleArgs;
import starling.cuda.abi.SequenceLengthsArgs;
import starling.cuda.abi.StepAttentionArgs;
import starling.cuda.abi.TokenSelectArgs;
import starling.device.Activation;
import starling.device.Arguments;
import starling.device.AttentionInputs;
import starling.device.Candidates;
import starling.device.Cut;
import starling.device.Kv;
import starling.device.Norm;
import starling.device.PositionRule;
import starling.device.ProductRows;
import starling.device.Rope;
import starling.device.RowMapping;
import starling.device.Segments;
import starling.device.Span;
import starling.device.Tensor;

/**
 * Calls of the operators of {@code starling.h} on one stream. Their arguments are put into
 * structures that are allocated once; the library reads them before it returns. Every method
 * returns the library's status. One thread at a time.
 */
final class Operators {
  /** Tensors of one {@code compact_rows}. */
  static final int MAX_TENSORS = 256;

  private final Bindings library;
  private final MemorySegment stream;
  private final ToLongFunction<Tensor> address;

  private final PatchifyArgs patchify;
  private final EmbedArgs embed;
  private final LayernormArgs layernorm;
  private final RmsnormArgs rmsnorm;
  private final RowStatisticsArgs rowStatistics;
  private final GemmArgs gemm;
  private final ActivationArgs activation;
  private final RopeArgs rope;
  private final AttentionArgs attention;
  private final StepAttentionArgs stepAttention;
  private final SequenceLengthsArgs sequenceLengths;
  private final LseFromNaturalArgs lseFromNatural;
  private final AttentionColsumArgs attentionColsum;
  private final TokenSelectArgs tokenSelect;
  private final ColsumSelectArgs colsumSelect;
  private final CosinesArgs cosines;
  private final DropDuplicatesArgs dropDuplicates;
  private final RowMapArgs rowMap;
  private final HideRowsArgs hideRows;
  private final AbiCut[] cuts;
  private final GatherRowsArgs gatherRows;
  private final AbiGather[] gathers;
  private final CombineRowsArgs combineRows;
  private final CompactRowsArgs compactRows;
  private final AbiTensor[] tensors;
  private final SampleArgs sample;
  private final AdvanceArgs advance;

  /**
   * @param arena where the structures lie, as long as this is used
   * @param address where a tensor begins in the device's memory
   */
  Operators(Bindings library, MemorySegment stream, Arena arena, ToLongFunction<Tensor> address) {
    this.library = library;
    this.stream = stream;
    this.address = address;
    patchify = new PatchifyArgs(arena);
    embed = new EmbedArgs(arena);
    layernorm = new LayernormArgs(arena);
    rmsnorm = new RmsnormArgs(arena);
    rowStatistics = new RowStatisticsArgs(arena);
    gemm = new GemmArgs(arena);
    activation = new ActivationArgs(arena);
    rope = new RopeArgs(arena);
    attention = new AttentionArgs(arena);
    stepAttention = new StepAttentionArgs(arena);
    sequenceLengths = new SequenceLengthsArgs(arena);
    lseFromNatural = new LseFromNaturalArgs(arena);
    attentionColsum = new AttentionColsumArgs(arena);
    tokenSelect = new TokenSelectArgs(arena);
    colsumSelect = new ColsumSelectArgs(arena);
    cosines = new CosinesArgs(arena);
    dropDuplicates = new DropDuplicatesArgs(arena);
    rowMap = new RowMapArgs(arena);
    hideRows = new HideRowsArgs(arena);
    cuts = AbiCut.array(arena, Arguments.MAX_CUTS);
    gatherRows = new GatherRowsArgs(arena);
    gathers = AbiGather.array(arena, Arguments.MAX_GATHERS);
    combineRows = new CombineRowsArgs(arena);
    compactRows = new CompactRowsArgs(arena);
    tensors = AbiTensor.array(arena, MAX_TENSORS);
    sample = new SampleArgs(arena);
    advance = new AdvanceArgs(arena);
  }

  /** The one place where a tensor becomes a structure; null becomes one that is not there. */
  private void set(AbiTensor to, Tensor t) {
    if (t == null) {
      to.data(0);
      return;
    }
    to.data(address.applyAsLong(t));
    to.stride(t.rowStride());
    to.rows(t.rows());
    to.width(t.width());
    to.dtype(AbiEnums.of(t.dtype()));
  }

  // ---- rows ----

  int patchify(Tensor out, Tensor pixels, int patch) {
    set(patchify.out, out);
    set(patchify.pixels, pixels);
    patchify.height(pixels.dim(1));
    patchify.width(pixels.dim(2));
    patchify.patch(patch);
    return library.patchify(patchify, stream);
  }

  int embed(Tensor out, Tensor ids, Tensor table) {
    set(embed.out, out);
    set(embed.ids, ids);
    set(embed.table, table);
    return library.embed(embed, stream);
  }

  int layernorm(Tensor out, Tensor x, Norm norm) {
    set(layernorm.out, out);
    set(layernorm.x, x);
    set(layernorm.weight, norm.weight());
    set(layernorm.bias, norm.bias());
    layernorm.eps(norm.eps());
    return library.layernorm(layernorm, stream);
  }

  int rmsnorm(Tensor out, Tensor x, Norm norm) {
    set(rmsnorm.out, out);
    set(rmsnorm.x, x);
    set(rmsnorm.weight, norm.weight());
    rmsnorm.eps(norm.eps());
    return library.rmsnorm(rmsnorm, stream);
  }

  int rowStatistics(Tensor statistics, Tensor x) {
    set(rowStatistics.statistics, statistics);
    set(rowStatistics.x, x);
    return library.rowStatistics(rowStatistics, stream);
  }

  int gemm(
      Tensor y,
      Tensor x,
      NativeLinear w,
      Norm before,
      Activation activation,
      Tensor residual,
      ProductRows around) {
    set(gemm.y, y);
    set(gemm.x, x);
    set(gemm.w, w.matrix());
    set(gemm.bias, w.biases());
    set(gemm.normWeight, before == null ? null : before.weight());
    set(gemm.normBias, before == null ? null : before.bias());
    set(gemm.normStatistics, around.known());
    set(gemm.residual, residual);
    set(gemm.rows, around.rows());
    set(gemm.statistics, around.statistics());
    gemm.activation(AbiEnums.of(activation));
    gemm.eps(before == null ? 0 : before.eps());
    return library.gemm(gemm, stream);
  }

  private void set(AbiWeight to, Tensor matrix) {
    to.data(address.applyAsLong(matrix));
    to.stride(matrix.rowStride());
    to.rows(matrix.rows());
    to.layout(AbiConstants.PLAIN);
  }

  int activation(Tensor out, Tensor x, Tensor bias, Activation function, Tensor residual) {
    set(activation.out, out);
    set(activation.x, x);
    set(activation.bias, bias);
    set(activation.residual, residual);
    activation.activation(AbiEnums.of(function));
    return library.activation(activation, stream);
  }

  // ---- attention ----

  int rope(Tensor q, Kv kv, Tensor qkv, Tensor positions, Rope table) {
    set(rope.q, q);
    set(rope.k, kv.k());
    set(rope.v, kv.v());
    set(rope.qkv, qkv);
    set(rope.positions, positions);
    set(rope.segments, kv.segments());
    set(rope.cos, table.cos());
    set(rope.sin, table.sin());
    rope.heads(q.dim(1));
    rope.kvHeads(kv.k().dim(1));
    rope.headSize(q.dim(2));
    int[] sections = table.sections();
    rope.axes(sections == null ? 1 : sections.length);
    rope.sectionFirst(sections == null ? 0 : sections[0]);
    rope.sectionSecond(sections == null ? 0 : sections[1]);
    return library.rope(rope, stream);
  }

  private void set(AbiSegments to, Segments segments) {
    set(to.table, segments == null ? null : segments.table());
    to.rows(segments == null ? 0 : segments.rows());
    to.keys(segments == null ? 0 : segments.keys());
  }

  private void set(AbiAttentionInputs to, AttentionInputs in) {
    set(to.q, in.q());
    set(to.k, in.kv().k());
    set(to.v, in.kv().v());
    set(to.segments, in.kv().segments());
    set(to.hidden, in.mask().hidden());
    to.heads(in.q().dim(1));
    to.kvHeads(in.kv().k().dim(1));
    to.headSize(in.q().dim(2));
    to.causal(in.mask().causal() ? 1 : 0);
    to.scale(in.scale());
  }

  int attention(Tensor out, Tensor lse, AttentionInputs in) {
    set(attention.out, out);
    set(attention.lse, lse);
    set(attention.in, in);
    return library.attention(attention, stream);
  }

  int stepAttention(
      Tensor y,
      Tensor statistics,
      Tensor qkv,
      AttentionInputs in,
      Rope table,
      Tensor attended,
      NativeLinear w,
      Tensor residual) {
    set(stepAttention.y, y);
    set(stepAttention.statistics, statistics);
    set(stepAttention.out, attended);
    set(stepAttention.k, in.kv().k());
    set(stepAttention.v, in.kv().v());
    set(stepAttention.qkv, qkv);
    set(stepAttention.segments, in.kv().segments());
    set(stepAttention.hidden, in.mask().hidden());
    set(stepAttention.cos, table.cos());
    set(stepAttention.sin, table.sin());
    set(stepAttention.w, w.matrix());
    set(stepAttention.bias, w.biases());
    set(stepAttention.residual, residual);
    stepAttention.heads(in.q().dim(1));
    stepAttention.kvHeads(in.kv().k().dim(1));
    stepAttention.headSize(in.q().dim(2));
    int[] sections = table.sections();
    stepAttention.axes(sections == null ? 1 : sections.length);
    stepAttention.sectionFirst(sections == null ? 0 : sections[0]);
    stepAttention.sectionSecond(sections == null ? 0 : sections[1]);
    stepAttention.scale(in.scale());
    return library.stepAttention(stepAttention, stream);
  }

  int sequenceLengths(Tensor lengths, Segments segments) {
    set(sequenceLengths.lengths, lengths);
    set(sequenceLengths.segments, segments);
    return library.sequenceLengths(sequenceLengths, stream);
  }

  int lseFromNatural(Tensor lse) {
    set(lseFromNatural.lse, lse);
    return library.lseFromNatural(lseFromNatural, stream);
  }

  int attentionColsum(
      Tensor sums, AttentionInputs in, Tensor lse, Span rows, Candidates candidates) {
    set(attentionColsum.sums, sums);
    set(attentionColsum.in, in);
    set(attentionColsum.lse, lse);
    set(attentionColsum.index, candidates.index());
    attentionColsum.rowFrom(rows.from());
    attentionColsum.rowTo(rows.to());
    attentionColsum.keyAt(candidates.at());
    return library.attentionColsum(attentionColsum, stream);
  }

  // ---- selection and compaction ----

  int tokenSelect(Tensor keep, Tensor score, Tensor sums, int rows, Tensor nonFinite) {
    set(tokenSelect.keep, keep);
    set(tokenSelect.score, score);
    set(tokenSelect.nonFinite, nonFinite);
    set(tokenSelect.sums, sums);
    tokenSelect.rows(rows);
    return library.tokenSelect(tokenSelect, stream);
  }

  int colsumSelect(
      Tensor keep,
      Tensor score,
      AttentionInputs in,
      Tensor lse,
      Span rows,
      Candidates candidates,
      Tensor nonFinite,
      RowMapping map) {
    set(colsumSelect.keep, keep);
    set(colsumSelect.score, score);
    set(colsumSelect.nonFinite, nonFinite);
    set(colsumSelect.in, in);
    set(colsumSelect.lse, lse);
    set(colsumSelect.index, candidates.index());
    colsumSelect.rowFrom(rows.from());
    colsumSelect.rowTo(rows.to());
    colsumSelect.keyAt(candidates.at());
    colsumSelect.sources(candidates.count() / score.rows());
    set(colsumSelect.rows, map == null ? null : map.rows());
    if (map != null) { // else nothing reads these
      setPositions(colsumSelect.positionsOut, map.positionsOut());
      set(colsumSelect.rowSources, map.sources());
      setPositions(colsumSelect.positionsIn, map.positionsIn());
      colsumSelect.cuts(list(map.cuts()));
      colsumSelect.cutCount(map.cuts().size());
      colsumSelect.rule(AbiEnums.of(map.rule()));
    }
    return library.colsumSelect(colsumSelect, stream);
  }

  int cosines(Tensor out, Tensor x, Tensor nonFinite) {
    set(cosines.out, out);
    set(cosines.x, x);
    set(cosines.nonFinite, nonFinite);
    return library.cosines(cosines, stream);
  }

  int dropDuplicates(Tensor keep, Tensor score, Tensor alike, int best) {
    set(dropDuplicates.keep, keep);
    set(dropDuplicates.score, score);
    set(dropDuplicates.cosines, alike);
    dropDuplicates.best(best);
    return library.dropDuplicates(dropDuplicates, stream);
  }

  /** Puts cuts into their structures; returns the first. */
  private MemorySegment list(List<Cut> list) {
    for (int i = 0; i < list.size(); i++) {
      Cut cut = list.get(i);
      set(cuts[i].keep, cut.keep());
      set(cuts[i].candidates, cut.candidates());
      cuts[i].at(cut.at());
      cuts[i].count(cut.count());
    }
    return cuts[0].memory();
  }

  /** Positions have a row for each axis; a vector is the row of the only one. */
  private void setPositions(AbiTensor to, Tensor t) {
    set(to, t);
    if (t.rank() == 1) {
      to.stride(t.rows());
      to.rows(1);
      to.width(t.rows());
    }
  }

  int rowMap(RowMapping map) {
    set(rowMap.rows, map.rows());
    setPositions(rowMap.positionsOut, map.positionsOut());
    set(rowMap.sources, map.sources());
    setPositions(rowMap.positionsIn, map.positionsIn());
    rowMap.cuts(list(map.cuts()));
    rowMap.cutCount(map.cuts().size());
    rowMap.rule(AbiEnums.of(map.rule()));
    return library.rowMap(rowMap, stream);
  }

  int hideRows(
      Tensor hidden, Tensor positionsOut, Tensor positionsIn, List<Cut> list, PositionRule rule) {
    set(hideRows.hidden, hidden);
    setPositions(hideRows.positionsOut, positionsOut);
    setPositions(hideRows.positionsIn, positionsIn);
    hideRows.cuts(list(list));
    hideRows.cutCount(list.size());
    hideRows.rule(AbiEnums.of(rule));
    return library.hideRows(hideRows, stream);
  }

  int gatherRows(List<Tensor> out, List<Tensor> in, Tensor rows) {
    for (int i = 0; i < out.size(); i++) {
      set(gathers[i].out, out.get(i));
      set(gathers[i].in, in.get(i));
    }
    gatherRows.pairs(gathers[0].memory());
    gatherRows.pairCount(out.size());
    set(gatherRows.rows, rows);
    return library.gatherRows(gatherRows, stream);
  }

  int combineRows(Tensor out, Tensor in, Tensor index, Tensor weight) {
    set(combineRows.out, out);
    set(combineRows.in, in);
    set(combineRows.index, index);
    set(combineRows.weight, weight);
    return library.combineRows(combineRows, stream);
  }

  /**
   * Keys and values of several layers in one launch.
   *
   * @param kv at most {@link #MAX_TENSORS} / 2
   */
  int compactRows(List<Kv> kv, Tensor rows) {
    for (int i = 0; i < kv.size(); i++) {
      set(tensors[2 * i], kv.get(i).k());
      set(tensors[2 * i + 1], kv.get(i).v());
    }
    compactRows.tensors(tensors[0].memory());
    compactRows.tensorCount(2 * kv.size());
    set(compactRows.rows, rows);
    return library.compactRows(compactRows, stream);
  }

  // ---- the end of a step ----

  int sample(Tensor ids, Tensor seen, Tensor logits, Segments segments, Tensor nonFinite) {
    set(sample.ids, ids);
    set(sample.seen, seen);
    set(sample.logits, logits);
    set(sample.segments, segments.table());
    set(sample.nonFinite, nonFinite);
    return library.sample(sample, stream);
  }

  int advance(Segments segments) {
    set(advance.segments, segments.table());
    return library.advance(advance, stream);
  }
}
