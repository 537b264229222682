package starling.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;

/**
 * The functions of {@code native/include/starling.h}, which documents them. Addresses of device
 * memory are {@code long}s, host memory and streams are segments, so that their lifetime and thread
 * are checked by every call.
 *
 * <p>Generated from the header by {@code BindingsTest}; do not edit.
 */
final class Bindings {
  private static final MethodHandle ABI_VERSION = Symbols.function(JAVA_INT);
  private static final MethodHandle BACKEND = Symbols.function(ADDRESS);
  private static final MethodHandle ERROR = Symbols.function(ADDRESS);
  private static final MethodHandle PROBE = Symbols.function(JAVA_INT, ADDRESS, JAVA_INT);
  private static final MethodHandle CARD_COUNT = Symbols.function(JAVA_INT, ADDRESS);
  private static final MethodHandle CARD_DESCRIBE = Symbols.function(JAVA_INT, ADDRESS, JAVA_INT);
  private static final MethodHandle ALLOCATE =
      Symbols.function(JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS);
  private static final MethodHandle FREE = Symbols.function(JAVA_INT, JAVA_LONG, ADDRESS);
  private static final MethodHandle UPLOAD =
      Symbols.function(
          JAVA_INT, JAVA_LONG, JAVA_LONG, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, ADDRESS);
  private static final MethodHandle DOWNLOAD =
      Symbols.function(
          JAVA_INT, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, ADDRESS);
  private static final MethodHandle STREAM_CREATE = Symbols.function(JAVA_INT, ADDRESS, JAVA_LONG);
  private static final MethodHandle STREAM_HANDLE = Symbols.function(JAVA_INT, ADDRESS, ADDRESS);
  private static final MethodHandle STREAM_DESTROY = Symbols.function(JAVA_INT, ADDRESS);
  private static final MethodHandle STREAM_WAIT = Symbols.function(JAVA_INT, ADDRESS);
  private static final MethodHandle EVENT_CREATE = Symbols.function(JAVA_INT, ADDRESS);
  private static final MethodHandle EVENT_DESTROY = Symbols.function(JAVA_INT, JAVA_LONG);
  private static final MethodHandle EVENT_RECORD = Symbols.function(JAVA_INT, JAVA_LONG, ADDRESS);
  private static final MethodHandle EVENT_ELAPSED =
      Symbols.function(JAVA_INT, ADDRESS, JAVA_LONG, JAVA_LONG);
  private static final MethodHandle CAPTURE_BEGIN = Symbols.function(JAVA_INT, ADDRESS);
  private static final MethodHandle CAPTURE_END = Symbols.function(JAVA_INT, ADDRESS, ADDRESS);
  private static final MethodHandle GRAPH_LAUNCH = Symbols.function(JAVA_INT, ADDRESS, ADDRESS);
  private static final MethodHandle GRAPH_DESTROY = Symbols.function(JAVA_INT, ADDRESS);
  private static final MethodHandle PATCHIFY =
      Symbols.function(
          JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT,
          JAVA_INT, ADDRESS);
  private static final MethodHandle EMBED =
      Symbols.function(
          JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT,
          JAVA_INT, JAVA_INT, ADDRESS);
  private static final MethodHandle LAYERNORM =
      Symbols.function(
          JAVA_INT,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_INT,
          JAVA_INT,
          JAVA_FLOAT,
          JAVA_INT,
          ADDRESS);
  private static final MethodHandle RMSNORM =
      Symbols.function(
          JAVA_INT,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_INT,
          JAVA_INT,
          JAVA_FLOAT,
          JAVA_INT,
          ADDRESS);
  private static final MethodHandle GEMM =
      Symbols.function(
          JAVA_INT,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_INT,
          JAVA_INT,
          JAVA_INT,
          JAVA_FLOAT,
          JAVA_INT,
          JAVA_INT,
          JAVA_INT,
          ADDRESS);
  private static final MethodHandle ACTIVATION =
      Symbols.function(
          JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG,
          JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS);
  private static final MethodHandle ROPE =
      Symbols.function(
          JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG,
          JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT,
          JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS);
  private static final MethodHandle ATTENTION =
      Symbols.function(
          JAVA_INT,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_INT,
          JAVA_INT,
          JAVA_INT,
          JAVA_INT,
          JAVA_INT,
          JAVA_INT,
          JAVA_FLOAT,
          JAVA_INT,
          ADDRESS);
  private static final MethodHandle ATTENTION_COLSUM =
      Symbols.function(
          JAVA_INT,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_INT,
          JAVA_INT,
          JAVA_INT,
          JAVA_INT,
          JAVA_INT,
          JAVA_INT,
          JAVA_INT,
          JAVA_INT,
          JAVA_INT,
          JAVA_FLOAT,
          JAVA_INT,
          ADDRESS);
  private static final MethodHandle SEQUENCE_LENGTHS =
      Symbols.function(JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT, ADDRESS);
  private static final MethodHandle LSE_FROM_NATURAL =
      Symbols.function(JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, ADDRESS);
  private static final MethodHandle TOKEN_SELECT =
      Symbols.function(
          JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT,
          JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS);
  private static final MethodHandle COLSUM_SELECT =
      Symbols.function(
          JAVA_INT,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_INT,
          JAVA_INT,
          JAVA_INT,
          JAVA_INT,
          JAVA_INT,
          JAVA_INT,
          JAVA_INT,
          JAVA_INT,
          JAVA_INT,
          JAVA_INT,
          JAVA_INT,
          JAVA_FLOAT,
          JAVA_INT,
          ADDRESS);
  private static final MethodHandle COSINES =
      Symbols.function(
          JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT,
          JAVA_INT, ADDRESS);
  private static final MethodHandle DROP_DUPLICATES =
      Symbols.function(
          JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT,
          ADDRESS);
  private static final MethodHandle ROW_MAP =
      Symbols.function(
          JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT,
          ADDRESS, JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS);
  private static final MethodHandle HIDE_ROWS =
      Symbols.function(
          JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, ADDRESS,
          JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS);
  private static final MethodHandle GATHER_ROWS =
      Symbols.function(JAVA_INT, ADDRESS, JAVA_INT, JAVA_LONG, JAVA_INT, ADDRESS);
  private static final MethodHandle COMBINE_ROWS =
      Symbols.function(
          JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG,
          JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS);
  private static final MethodHandle COMPACT_ROWS =
      Symbols.function(
          JAVA_INT, ADDRESS, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT,
          ADDRESS);
  private static final MethodHandle SAMPLE =
      Symbols.function(
          JAVA_INT,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_INT,
          JAVA_FLOAT,
          JAVA_INT,
          JAVA_FLOAT,
          JAVA_LONG,
          ADDRESS);
  private static final MethodHandle ADVANCE =
      Symbols.function(JAVA_INT, JAVA_LONG, JAVA_INT, JAVA_INT, ADDRESS);
  private static final MethodHandle CEILING_COPY =
      Symbols.function(JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, ADDRESS);
  private static final MethodHandle CEILING_READ =
      Symbols.function(JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, ADDRESS);
  private static final MethodHandle CEILING_PRODUCTS =
      Symbols.function(JAVA_INT, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS);
  private static final MethodHandle CEILING_NOTHING = Symbols.function(JAVA_INT, JAVA_INT, ADDRESS);

  private final MemorySegment abiVersion;
  private final MemorySegment backend;
  private final MemorySegment error;
  private final MemorySegment probe;
  private final MemorySegment cardCount;
  private final MemorySegment cardDescribe;
  private final MemorySegment allocate;
  private final MemorySegment free;
  private final MemorySegment upload;
  private final MemorySegment download;
  private final MemorySegment streamCreate;
  private final MemorySegment streamHandle;
  private final MemorySegment streamDestroy;
  private final MemorySegment streamWait;
  private final MemorySegment eventCreate;
  private final MemorySegment eventDestroy;
  private final MemorySegment eventRecord;
  private final MemorySegment eventElapsed;
  private final MemorySegment captureBegin;
  private final MemorySegment captureEnd;
  private final MemorySegment graphLaunch;
  private final MemorySegment graphDestroy;
  private final MemorySegment patchify;
  private final MemorySegment embed;
  private final MemorySegment layernorm;
  private final MemorySegment rmsnorm;
  private final MemorySegment gemm;
  private final MemorySegment activation;
  private final MemorySegment rope;
  private final MemorySegment attention;
  private final MemorySegment attentionColsum;
  private final MemorySegment sequenceLengths;
  private final MemorySegment lseFromNatural;
  private final MemorySegment tokenSelect;
  private final MemorySegment colsumSelect;
  private final MemorySegment cosines;
  private final MemorySegment dropDuplicates;
  private final MemorySegment rowMap;
  private final MemorySegment hideRows;
  private final MemorySegment gatherRows;
  private final MemorySegment combineRows;
  private final MemorySegment compactRows;
  private final MemorySegment sample;
  private final MemorySegment advance;
  private final MemorySegment ceilingCopy;
  private final MemorySegment ceilingRead;
  private final MemorySegment ceilingProducts;
  private final MemorySegment ceilingNothing;

  /**
   * Binds all of them; a missing one is an {@link java.util.NoSuchElementException} with its name.
   */
  Bindings(SymbolLookup library) {
    abiVersion = Symbols.find(library, "starling_abi_version");
    backend = Symbols.find(library, "starling_backend");
    error = Symbols.find(library, "starling_error");
    probe = Symbols.find(library, "starling_probe");
    cardCount = Symbols.find(library, "starling_card_count");
    cardDescribe = Symbols.find(library, "starling_card_describe");
    allocate = Symbols.find(library, "starling_allocate");
    free = Symbols.find(library, "starling_free");
    upload = Symbols.find(library, "starling_upload");
    download = Symbols.find(library, "starling_download");
    streamCreate = Symbols.find(library, "starling_stream_create");
    streamHandle = Symbols.find(library, "starling_stream_handle");
    streamDestroy = Symbols.find(library, "starling_stream_destroy");
    streamWait = Symbols.find(library, "starling_stream_wait");
    eventCreate = Symbols.find(library, "starling_event_create");
    eventDestroy = Symbols.find(library, "starling_event_destroy");
    eventRecord = Symbols.find(library, "starling_event_record");
    eventElapsed = Symbols.find(library, "starling_event_elapsed");
    captureBegin = Symbols.find(library, "starling_capture_begin");
    captureEnd = Symbols.find(library, "starling_capture_end");
    graphLaunch = Symbols.find(library, "starling_graph_launch");
    graphDestroy = Symbols.find(library, "starling_graph_destroy");
    patchify = Symbols.find(library, "starling_patchify");
    embed = Symbols.find(library, "starling_embed");
    layernorm = Symbols.find(library, "starling_layernorm");
    rmsnorm = Symbols.find(library, "starling_rmsnorm");
    gemm = Symbols.find(library, "starling_gemm");
    activation = Symbols.find(library, "starling_activation");
    rope = Symbols.find(library, "starling_rope");
    attention = Symbols.find(library, "starling_attention");
    attentionColsum = Symbols.find(library, "starling_attention_colsum");
    sequenceLengths = Symbols.find(library, "starling_sequence_lengths");
    lseFromNatural = Symbols.find(library, "starling_lse_from_natural");
    tokenSelect = Symbols.find(library, "starling_token_select");
    colsumSelect = Symbols.find(library, "starling_colsum_select");
    cosines = Symbols.find(library, "starling_cosines");
    dropDuplicates = Symbols.find(library, "starling_drop_duplicates");
    rowMap = Symbols.find(library, "starling_row_map");
    hideRows = Symbols.find(library, "starling_hide_rows");
    gatherRows = Symbols.find(library, "starling_gather_rows");
    combineRows = Symbols.find(library, "starling_combine_rows");
    compactRows = Symbols.find(library, "starling_compact_rows");
    sample = Symbols.find(library, "starling_sample");
    advance = Symbols.find(library, "starling_advance");
    ceilingCopy = Symbols.find(library, "starling_ceiling_copy");
    ceilingRead = Symbols.find(library, "starling_ceiling_read");
    ceilingProducts = Symbols.find(library, "starling_ceiling_products");
    ceilingNothing = Symbols.find(library, "starling_ceiling_nothing");
  }

  int abiVersion() {
    try {
      return (int) ABI_VERSION.invokeExact(this.abiVersion);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  MemorySegment backend() {
    try {
      return (MemorySegment) BACKEND.invokeExact(this.backend);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  MemorySegment error() {
    try {
      return (MemorySegment) ERROR.invokeExact(this.error);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int probe(MemorySegment text, int size) {
    try {
      return (int) PROBE.invokeExact(this.probe, text, size);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int cardCount(MemorySegment out) {
    try {
      return (int) CARD_COUNT.invokeExact(this.cardCount, out);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int cardDescribe(MemorySegment out, int index) {
    try {
      return (int) CARD_DESCRIBE.invokeExact(this.cardDescribe, out, index);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int allocate(MemorySegment out, long bytes, MemorySegment stream) {
    try {
      return (int) ALLOCATE.invokeExact(this.allocate, out, bytes, stream);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int free(long memory, MemorySegment stream) {
    try {
      return (int) FREE.invokeExact(this.free, memory, stream);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int upload(
      long dst,
      long dstStrideBytes,
      MemorySegment src,
      long srcStrideBytes,
      long width,
      long rows,
      MemorySegment stream) {
    try {
      return (int)
          UPLOAD.invokeExact(
              this.upload, dst, dstStrideBytes, src, srcStrideBytes, width, rows, stream);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int download(
      MemorySegment dst,
      long dstStrideBytes,
      long src,
      long srcStrideBytes,
      long width,
      long rows,
      MemorySegment stream) {
    try {
      return (int)
          DOWNLOAD.invokeExact(
              this.download, dst, dstStrideBytes, src, srcStrideBytes, width, rows, stream);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int streamCreate(MemorySegment out, long cudaStream) {
    try {
      return (int) STREAM_CREATE.invokeExact(this.streamCreate, out, cudaStream);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int streamHandle(MemorySegment out, MemorySegment stream) {
    try {
      return (int) STREAM_HANDLE.invokeExact(this.streamHandle, out, stream);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int streamDestroy(MemorySegment stream) {
    try {
      return (int) STREAM_DESTROY.invokeExact(this.streamDestroy, stream);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int streamWait(MemorySegment stream) {
    try {
      return (int) STREAM_WAIT.invokeExact(this.streamWait, stream);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int eventCreate(MemorySegment out) {
    try {
      return (int) EVENT_CREATE.invokeExact(this.eventCreate, out);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int eventDestroy(long event) {
    try {
      return (int) EVENT_DESTROY.invokeExact(this.eventDestroy, event);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int eventRecord(long event, MemorySegment stream) {
    try {
      return (int) EVENT_RECORD.invokeExact(this.eventRecord, event, stream);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int eventElapsed(MemorySegment milliseconds, long from, long to) {
    try {
      return (int) EVENT_ELAPSED.invokeExact(this.eventElapsed, milliseconds, from, to);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int captureBegin(MemorySegment stream) {
    try {
      return (int) CAPTURE_BEGIN.invokeExact(this.captureBegin, stream);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int captureEnd(MemorySegment out, MemorySegment stream) {
    try {
      return (int) CAPTURE_END.invokeExact(this.captureEnd, out, stream);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int graphLaunch(MemorySegment graph, MemorySegment stream) {
    try {
      return (int) GRAPH_LAUNCH.invokeExact(this.graphLaunch, graph, stream);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int graphDestroy(MemorySegment graph) {
    try {
      return (int) GRAPH_DESTROY.invokeExact(this.graphDestroy, graph);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int patchify(
      long out,
      long outStride,
      long pixels,
      long pixelsStride,
      int height,
      int width,
      int patch,
      int dtype,
      MemorySegment stream) {
    try {
      return (int)
          PATCHIFY.invokeExact(
              this.patchify,
              out,
              outStride,
              pixels,
              pixelsStride,
              height,
              width,
              patch,
              dtype,
              stream);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int embed(
      long out,
      long outStride,
      long ids,
      long table,
      long tableStride,
      int rows,
      int width,
      int vocabulary,
      int dtype,
      MemorySegment stream) {
    try {
      return (int)
          EMBED.invokeExact(
              this.embed,
              out,
              outStride,
              ids,
              table,
              tableStride,
              rows,
              width,
              vocabulary,
              dtype,
              stream);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int layernorm(
      long out,
      long outStride,
      long x,
      long xStride,
      long weight,
      long bias,
      int rows,
      int width,
      float eps,
      int dtype,
      MemorySegment stream) {
    try {
      return (int)
          LAYERNORM.invokeExact(
              this.layernorm,
              out,
              outStride,
              x,
              xStride,
              weight,
              bias,
              rows,
              width,
              eps,
              dtype,
              stream);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int rmsnorm(
      long out,
      long outStride,
      long x,
      long xStride,
      long weight,
      int rows,
      int width,
      float eps,
      int dtype,
      MemorySegment stream) {
    try {
      return (int)
          RMSNORM.invokeExact(
              this.rmsnorm, out, outStride, x, xStride, weight, rows, width, eps, dtype, stream);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int gemm(
      long y,
      long yStride,
      long x,
      long xStride,
      long w,
      long wStride,
      long bias,
      long normWeight,
      long normBias,
      long residual,
      long residualStride,
      int rows,
      int out,
      int in,
      float eps,
      int activation,
      int yDtype,
      int dtype,
      MemorySegment stream) {
    try {
      return (int)
          GEMM.invokeExact(
              this.gemm,
              y,
              yStride,
              x,
              xStride,
              w,
              wStride,
              bias,
              normWeight,
              normBias,
              residual,
              residualStride,
              rows,
              out,
              in,
              eps,
              activation,
              yDtype,
              dtype,
              stream);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int activation(
      long out,
      long outStride,
      long x,
      long xStride,
      long bias,
      long residual,
      long residualStride,
      int rows,
      int width,
      int activation,
      int dtype,
      MemorySegment stream) {
    try {
      return (int)
          ACTIVATION.invokeExact(
              this.activation,
              out,
              outStride,
              x,
              xStride,
              bias,
              residual,
              residualStride,
              rows,
              width,
              activation,
              dtype,
              stream);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int rope(
      long q,
      long qStride,
      long k,
      long kStride,
      long v,
      long vStride,
      long qkv,
      long qkvStride,
      long positions,
      long length,
      long cos,
      long cosStride,
      long sin,
      long sinStride,
      int rows,
      int capacity,
      int heads,
      int kvHeads,
      int headSize,
      int half,
      int tableRows,
      int dtype,
      MemorySegment stream) {
    try {
      return (int)
          ROPE.invokeExact(
              this.rope, q, qStride, k, kStride, v, vStride, qkv, qkvStride, positions, length, cos,
              cosStride, sin, sinStride, rows, capacity, heads, kvHeads, headSize, half, tableRows,
              dtype, stream);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int attention(
      long out,
      long outStride,
      long lse,
      long lseStride,
      long q,
      long qStride,
      long k,
      long kStride,
      long v,
      long vStride,
      long length,
      long hidden,
      int rows,
      int capacity,
      int heads,
      int kvHeads,
      int headSize,
      int causal,
      float scale,
      int dtype,
      MemorySegment stream) {
    try {
      return (int)
          ATTENTION.invokeExact(
              this.attention,
              out,
              outStride,
              lse,
              lseStride,
              q,
              qStride,
              k,
              kStride,
              v,
              vStride,
              length,
              hidden,
              rows,
              capacity,
              heads,
              kvHeads,
              headSize,
              causal,
              scale,
              dtype,
              stream);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int attentionColsum(
      long sums,
      long sumsStride,
      long q,
      long qStride,
      long k,
      long kStride,
      long lse,
      long lseStride,
      long length,
      long hidden,
      long index,
      int rowFrom,
      int rowTo,
      int keyAt,
      int n,
      int capacity,
      int heads,
      int kvHeads,
      int headSize,
      int causal,
      float scale,
      int dtype,
      MemorySegment stream) {
    try {
      return (int)
          ATTENTION_COLSUM.invokeExact(
              this.attentionColsum,
              sums,
              sumsStride,
              q,
              qStride,
              k,
              kStride,
              lse,
              lseStride,
              length,
              hidden,
              index,
              rowFrom,
              rowTo,
              keyAt,
              n,
              capacity,
              heads,
              kvHeads,
              headSize,
              causal,
              scale,
              dtype,
              stream);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int sequenceLengths(long lengths, long length, int rows, MemorySegment stream) {
    try {
      return (int)
          SEQUENCE_LENGTHS.invokeExact(this.sequenceLengths, lengths, length, rows, stream);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int lseFromNatural(long lse, long lseStride, int heads, int rows, MemorySegment stream) {
    try {
      return (int)
          LSE_FROM_NATURAL.invokeExact(this.lseFromNatural, lse, lseStride, heads, rows, stream);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int tokenSelect(
      long keep,
      long score,
      long fault,
      long sums,
      long sumsStride,
      int heads,
      int n,
      int k,
      int rows,
      int sources,
      MemorySegment stream) {
    try {
      return (int)
          TOKEN_SELECT.invokeExact(
              this.tokenSelect,
              keep,
              score,
              fault,
              sums,
              sumsStride,
              heads,
              n,
              k,
              rows,
              sources,
              stream);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int colsumSelect(
      long keep,
      long score,
      long fault,
      long q,
      long qStride,
      long k,
      long kStride,
      long lse,
      long lseStride,
      long length,
      long hidden,
      long index,
      int rowFrom,
      int rowTo,
      int keyAt,
      int n,
      int sources,
      int kept,
      int capacity,
      int heads,
      int kvHeads,
      int headSize,
      int causal,
      float scale,
      int dtype,
      MemorySegment stream) {
    try {
      return (int)
          COLSUM_SELECT.invokeExact(
              this.colsumSelect,
              keep,
              score,
              fault,
              q,
              qStride,
              k,
              kStride,
              lse,
              lseStride,
              length,
              hidden,
              index,
              rowFrom,
              rowTo,
              keyAt,
              n,
              sources,
              kept,
              capacity,
              heads,
              kvHeads,
              headSize,
              causal,
              scale,
              dtype,
              stream);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int cosines(
      long out,
      long outStride,
      long nonFinite,
      long x,
      long xStride,
      int n,
      int width,
      int dtype,
      MemorySegment stream) {
    try {
      return (int)
          COSINES.invokeExact(
              this.cosines,
              out,
              outStride,
              nonFinite,
              x,
              xStride,
              n,
              width,
              dtype,
              stream);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int dropDuplicates(
      long keep,
      long score,
      long cosines,
      long cosinesStride,
      int n,
      int k,
      int best,
      MemorySegment stream) {
    try {
      return (int)
          DROP_DUPLICATES.invokeExact(
              this.dropDuplicates,
              keep,
              score,
              cosines,
              cosinesStride,
              n,
              k,
              best,
              stream);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int rowMap(
      long rows,
      long positionsOut,
      long positionsOutStride,
      long sources,
      long positionsIn,
      long positionsInStride,
      int axes,
      MemorySegment cuts,
      int cutCount,
      int rowCount,
      int positions,
      MemorySegment stream) {
    try {
      return (int)
          ROW_MAP.invokeExact(
              this.rowMap,
              rows,
              positionsOut,
              positionsOutStride,
              sources,
              positionsIn,
              positionsInStride,
              axes,
              cuts,
              cutCount,
              rowCount,
              positions,
              stream);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int hideRows(
      long hidden,
      long positionsOut,
      long positionsOutStride,
      long positionsIn,
      long positionsInStride,
      int axes,
      MemorySegment cuts,
      int cutCount,
      int rowCount,
      int positions,
      MemorySegment stream) {
    try {
      return (int)
          HIDE_ROWS.invokeExact(
              this.hideRows,
              hidden,
              positionsOut,
              positionsOutStride,
              positionsIn,
              positionsInStride,
              axes,
              cuts,
              cutCount,
              rowCount,
              positions,
              stream);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int gatherRows(
      MemorySegment pairs, int pairCount, long rows, int rowCount, MemorySegment stream) {
    try {
      return (int)
          GATHER_ROWS.invokeExact(this.gatherRows, pairs, pairCount, rows, rowCount, stream);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int combineRows(
      long out,
      long outStride,
      long in,
      long inStride,
      long index,
      long indexStride,
      long weight,
      long weightStride,
      int m,
      int n,
      int width,
      int w,
      int dtype,
      MemorySegment stream) {
    try {
      return (int)
          COMBINE_ROWS.invokeExact(
              this.combineRows,
              out,
              outStride,
              in,
              inStride,
              index,
              indexStride,
              weight,
              weightStride,
              m,
              n,
              width,
              w,
              dtype,
              stream);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int compactRows(
      MemorySegment tensors,
      int tensorCount,
      long strideBytes,
      long width,
      long rows,
      int rowCount,
      int capacity,
      MemorySegment stream) {
    try {
      return (int)
          COMPACT_ROWS.invokeExact(
              this.compactRows,
              tensors,
              tensorCount,
              strideBytes,
              width,
              rows,
              rowCount,
              capacity,
              stream);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int sample(
      long id,
      long logits,
      long step,
      long fault,
      int vocabulary,
      float temperature,
      int topK,
      float topP,
      long seed,
      MemorySegment stream) {
    try {
      return (int)
          SAMPLE.invokeExact(
              this.sample,
              id,
              logits,
              step,
              fault,
              vocabulary,
              temperature,
              topK,
              topP,
              seed,
              stream);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int advance(long counters, int n, int by, MemorySegment stream) {
    try {
      return (int) ADVANCE.invokeExact(this.advance, counters, n, by, stream);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int ceilingCopy(long out, long in, long bytes, MemorySegment stream) {
    try {
      return (int) CEILING_COPY.invokeExact(this.ceilingCopy, out, in, bytes, stream);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int ceilingRead(long out, long in, long bytes, MemorySegment stream) {
    try {
      return (int) CEILING_READ.invokeExact(this.ceilingRead, out, in, bytes, stream);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int ceilingProducts(long out, int blocks, int steps, int dtype, MemorySegment stream) {
    try {
      return (int)
          CEILING_PRODUCTS.invokeExact(this.ceilingProducts, out, blocks, steps, dtype, stream);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  int ceilingNothing(int launches, MemorySegment stream) {
    try {
      return (int) CEILING_NOTHING.invokeExact(this.ceilingNothing, launches, stream);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }
}
