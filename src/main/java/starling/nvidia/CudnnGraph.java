package starling.nvidia;

import java.lang.foreign.MemorySegment;
import java.util.List;
import starling.device.DType;
import starling.nvidia.cudnn.Cudnn;

/** Attention of one shape as a graph of cuDNN's descriptors. */
final class CudnnGraph {
  // Names of the tensors.
  static final long Q = 1;
  static final long K = 2;
  static final long V = 3;
  static final long OUT = 4;
  static final long STATISTICS = 5;
  static final long SCALE = 6;
  static final long QUERIES = 7; // how many
  static final long KEYS = 8;
  static final long OUTSIDE = 11; // the score of what is masked
  private static final long SCORES = 9;
  private static final long MASKED = 10;

  private final CudnnAttention.Shape shape;
  private final List<CudnnDescriptor> parts;

  /**
   * @param parts receives every descriptor that is made, for the caller to close
   */
  CudnnGraph(CudnnAttention.Shape shape, List<CudnnDescriptor> parts) {
    this.shape = shape;
    this.parts = parts;
  }

  /** A descriptor that is closed with the other parts. */
  static CudnnDescriptor part(List<CudnnDescriptor> parts, int type) {
    var part = new CudnnDescriptor(type);
    parts.add(part);
    return part;
  }

  private CudnnDescriptor part(int type) {
    return part(parts, type);
  }

  /**
   * @param cudnn the library's handle
   */
  CudnnDescriptor of(MemorySegment cudnn) {
    CudnnDescriptor operation = operation();
    return part(Cudnn.CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR())
        .library(Cudnn.CUDNN_ATTR_OPERATIONGRAPH_HANDLE(), cudnn)
        .part(Cudnn.CUDNN_ATTR_OPERATIONGRAPH_OPS(), operation)
        .finish();
  }

  private CudnnDescriptor operation() {
    CudnnDescriptor q = rows(Q, shape.rows(), shape.heads(), shape.qStride());
    CudnnDescriptor k = rows(K, shape.capacity(), shape.keyHeads(), shape.kStride());
    CudnnDescriptor v = rows(V, shape.capacity(), shape.keyHeads(), shape.vStride());
    CudnnDescriptor out = rows(OUT, shape.rows(), shape.heads(), shape.outStride());
    CudnnDescriptor scale = scalar(SCALE).finish();
    CudnnDescriptor queries = shape.lengths() ? length(QUERIES) : null;
    CudnnDescriptor keys = shape.lengths() ? length(KEYS) : null;
    CudnnDescriptor statistics = shape.statisticsStride() > 0 ? statistics() : null;
    CudnnDescriptor mask = shape.causal() ? causal(queries, keys) : null;

    CudnnDescriptor operation =
        part(Cudnn.CUDNN_BACKEND_OPERATION_SDPA_FWD_DESCRIPTOR())
            .part(Cudnn.CUDNN_ATTR_OPERATION_SDPA_FWD_QDESC(), q)
            .part(Cudnn.CUDNN_ATTR_OPERATION_SDPA_FWD_KDESC(), k)
            .part(Cudnn.CUDNN_ATTR_OPERATION_SDPA_FWD_VDESC(), v)
            .part(Cudnn.CUDNN_ATTR_OPERATION_SDPA_FWD_ODESC(), out)
            .part(Cudnn.CUDNN_ATTR_OPERATION_SDPA_FWD_SCALEDESC(), scale);
    if (statistics != null) {
      operation.part(Cudnn.CUDNN_ATTR_OPERATION_SDPA_FWD_STATSDESC(), statistics);
    }
    if (shape.lengths()) {
      operation
          .part(Cudnn.CUDNN_ATTR_OPERATION_SDPA_FWD_SEQ_LEN_QDESC(), queries)
          .part(Cudnn.CUDNN_ATTR_OPERATION_SDPA_FWD_SEQ_LEN_KVDESC(), keys);
    }
    if (mask != null) {
      operation
          .part(Cudnn.CUDNN_ATTR_OPERATION_SDPA_FWD_SUBGRAPH(), mask)
          .longs(Cudnn.CUDNN_ATTR_OPERATION_SDPA_FWD_SUBGRAPH_INPUT_UID(), SCORES)
          .longs(Cudnn.CUDNN_ATTR_OPERATION_SDPA_FWD_SUBGRAPH_OUTPUT_UID(), MASKED);
    }
    return operation.finish();
  }

  /** Row t sees the keys up to its own: the band's diagonal ends at the last query and key. */
  private CudnnDescriptor causal(CudnnDescriptor queries, CudnnDescriptor keys) {
    CudnnDescriptor mask = part(Cudnn.CUDNN_BACKEND_OPERATION_DIAGONAL_BAND_MASK_DESCRIPTOR());
    mask.part(Cudnn.CUDNN_ATTR_OPERATION_DIAGONAL_BAND_MASK_XDESC(), scores(SCORES))
        .part(Cudnn.CUDNN_ATTR_OPERATION_DIAGONAL_BAND_MASK_YDESC(), scores(MASKED))
        .part(Cudnn.CUDNN_ATTR_OPERATION_DIAGONAL_BAND_MASK_BDESC(), scalar(OUTSIDE).finish())
        .choice(
            Cudnn.CUDNN_ATTR_OPERATION_DIAGONAL_BAND_MASK_COMPARISON_MODE(),
            Cudnn.CUDNN_TYPE_POINTWISE_MODE(),
            Cudnn.CUDNN_POINTWISE_CMP_GE());
    if (shape.lengths()) {
      mask.part(Cudnn.CUDNN_ATTR_OPERATION_DIAGONAL_BAND_MASK_SEQ_LEN_QDESC(), queries)
          .part(Cudnn.CUDNN_ATTR_OPERATION_DIAGONAL_BAND_MASK_SEQ_LEN_KVDESC(), keys);
    }
    return part(Cudnn.CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR())
        .part(Cudnn.CUDNN_ATTR_OPERATIONGRAPH_OPS(), mask.finish())
        .finish();
  }

  // ---- tensors: [1, heads, rows, channels] ----

  private CudnnDescriptor tensor(long name, int type, long alignment, long[] dims, long[] strides) {
    return part(Cudnn.CUDNN_BACKEND_TENSOR_DESCRIPTOR())
        .choice(Cudnn.CUDNN_ATTR_TENSOR_DATA_TYPE(), Cudnn.CUDNN_TYPE_DATA_TYPE(), type)
        .longs(Cudnn.CUDNN_ATTR_TENSOR_DIMENSIONS(), dims)
        .longs(Cudnn.CUDNN_ATTR_TENSOR_STRIDES(), strides)
        .longs(Cudnn.CUDNN_ATTR_TENSOR_UNIQUE_ID(), name)
        .longs(Cudnn.CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT(), alignment);
  }

  private CudnnDescriptor rows(long name, long rows, long heads, long stride) {
    int type = shape.dtype() == DType.F16 ? Cudnn.CUDNN_DATA_HALF() : Cudnn.CUDNN_DATA_BFLOAT16();
    long[] dims = {1, heads, rows, shape.d()};
    long[] strides = {rows * stride, shape.d(), stride, 1};
    return tensor(name, type, 16, dims, strides).finish();
  }

  private CudnnDescriptor statistics() {
    long stride = shape.statisticsStride();
    long[] dims = {1, shape.heads(), shape.rows(), 1};
    long[] strides = {shape.heads() * stride, stride, 1, 1};
    return tensor(STATISTICS, Cudnn.CUDNN_DATA_FLOAT(), 16, dims, strides).finish();
  }

  private CudnnDescriptor scores(long name) {
    long map = (long) shape.rows() * shape.capacity();
    long[] dims = {1, shape.heads(), shape.rows(), shape.capacity()};
    long[] strides = {shape.heads() * map, map, shape.capacity(), 1};
    return tensor(name, Cudnn.CUDNN_DATA_FLOAT(), 16, dims, strides)
        .yes(Cudnn.CUDNN_ATTR_TENSOR_IS_VIRTUAL())
        .finish();
  }

  /**
   * A length must lie on the device: with one of the host's the library's kernel does not compile.
   */
  private CudnnDescriptor length(long name) {
    return one(name, Cudnn.CUDNN_DATA_INT32()).finish();
  }

  private CudnnDescriptor scalar(long name) {
    return one(name, Cudnn.CUDNN_DATA_FLOAT()).yes(Cudnn.CUDNN_ATTR_TENSOR_IS_BY_VALUE());
  }

  private CudnnDescriptor one(long name, int type) {
    long[] ones = {1, 1, 1, 1};
    return tensor(name, type, 4, ones, ones);
  }
}
