package starling.checkpoint;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import starling.device.DType;
import starling.device.InputException;
import starling.device.Stored;

/**
 * The weight files of a checkpoint folder, memory-mapped: the shards that {@code
 * model.safetensors.index.json} names, or {@code model.safetensors} alone. Headers are checked in
 * full when opened; tensors are views of the files. Closing unmaps them, and views become unusable.
 */
public final class Safetensors implements AutoCloseable {
  private static final ObjectMapper JSON =
      new ObjectMapper()
          .enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.FAIL_ON_READING_DUP_TREE_KEY)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

  /** Bits per element of every type the format has. */
  private static final Map<String, Integer> BITS =
      Map.ofEntries(
          Map.entry("F64", 64),
          Map.entry("F32", 32),
          Map.entry("F16", 16),
          Map.entry("BF16", 16),
          Map.entry("F8_E5M2", 8),
          Map.entry("F8_E4M3", 8),
          Map.entry("F8_E8M0", 8),
          Map.entry("F8_E5M2FNUZ", 8),
          Map.entry("F8_E4M3FNUZ", 8),
          Map.entry("F6_E2M3", 6),
          Map.entry("F6_E3M2", 6),
          Map.entry("F4", 4),
          Map.entry("I64", 64),
          Map.entry("I32", 32),
          Map.entry("I16", 16),
          Map.entry("I8", 8),
          Map.entry("U64", 64),
          Map.entry("U32", 32),
          Map.entry("U16", 16),
          Map.entry("U8", 8),
          Map.entry("BOOL", 8),
          Map.entry("C64", 64));

  private static final long MAX_HEADER = 100_000_000;

  private final Path dir;
  private final Arena arena = Arena.ofShared();
  private final Map<String, Entry> entries = new LinkedHashMap<>();
  private final Set<String> used = new HashSet<>();
  private final Map<Path, MemorySegment> mapped = new HashMap<>();

  /**
   * A tensor as the header lists it.
   *
   * @param dtype the format's name of the type
   * @param file the file that holds it
   * @param offset first byte in that file
   */
  public record Entry(
      String name, String dtype, List<Long> shape, Path file, long offset, long bytes) {}

  private Safetensors(Path dir) {
    this.dir = dir;
  }

  /** Opens a checkpoint folder. Nothing but headers is read. */
  public static Safetensors open(Path dir) {
    var weights = new Safetensors(dir);
    try {
      Path index = dir.resolve("model.safetensors.index.json");
      if (Files.exists(index)) {
        weights.readShards(index);
      } else {
        weights.readFile(dir.resolve("model.safetensors"));
      }
      return weights;
    } catch (RuntimeException e) {
      weights.close();
      throw e;
    }
  }

  Path dir() {
    return dir;
  }

  /** All tensors, whether the model uses them or not. */
  public Collection<Entry> entries() {
    return entries.values();
  }

  /** Whether {@link #get} was asked for a tensor. */
  public boolean used(String name) {
    return used.contains(name);
  }

  public boolean has(String name) {
    return entries.containsKey(name);
  }

  /**
   * A tensor the model uses.
   *
   * @param shape the shape the configuration asks for
   * @param fields the configuration fields that shape comes from
   */
  public Stored get(String name, List<Integer> shape, String fields) {
    used.add(name);
    Entry entry = entries.get(name);
    if (entry == null) {
      throw new InputException(dir + ": tensor " + name + " is missing from the weight files");
    }
    if (!entry.shape().equals(shape.stream().map(Integer::longValue).toList())) {
      throw new InputException(
          entry.file()
              + ": tensor "
              + name
              + " has shape "
              + entry.shape()
              + ", but config.json ("
              + fields
              + ") asks for "
              + shape);
    }
    DType dtype =
        switch (entry.dtype()) {
          case "F32" -> DType.F32;
          case "F16" -> DType.F16;
          case "BF16" -> DType.BF16;
          default ->
              throw new InputException(
                  entry.file()
                      + ": tensor "
                      + name
                      + " has type "
                      + entry.dtype()
                      + "; F32, F16 and BF16 are supported");
        };
    return new Stored(
        name, dtype, shape, mapped.get(entry.file()).asSlice(entry.offset(), entry.bytes()));
  }

  private void readShards(Path index) {
    JsonNode map = readJson(index, "the shard index").path("weight_map");
    if (!map.isObject()) {
      throw new InputException(index + ": field weight_map is missing or not an object");
    }
    var shards = new TreeSet<String>();
    for (var tensor : map.properties()) {
      String shard = tensor.getValue().asText();
      if (!shard.matches("[^/\\\\\\x00]+")
          || shard.equals("..")
          || !tensor.getValue().isTextual()) {
        throw new InputException(
            index
                + ": weight_map sends tensor "
                + tensor.getKey()
                + " to '"
                + shard
                + "', which is no file name in this folder");
      }
      shards.add(shard);
    }
    for (String shard : shards) {
      readFile(dir.resolve(shard));
    }
    for (var tensor : map.properties()) {
      Entry entry = entries.get(tensor.getKey());
      if (entry == null
          || !entry.file().getFileName().toString().equals(tensor.getValue().asText())) {
        throw new InputException(
            index
                + ": tensor "
                + tensor.getKey()
                + " is not in "
                + tensor.getValue().asText()
                + ", where weight_map places it");
      }
    }
  }

  private void readFile(Path file) {
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      long size = channel.size();
      JsonNode header = readHeader(file, channel, size);
      long data = 8 + headerLength(file, channel, size);
      mapped.put(file, channel.map(FileChannel.MapMode.READ_ONLY, 0, size, arena));
      addEntries(file, header, data, size);
    } catch (IOException e) {
      throw new InputException(
          file
              + (Files.exists(file)
                  ? ": the weights cannot be read"
                  : ": there is no such weight file"),
          e);
    }
  }

  private static long headerLength(Path file, FileChannel channel, long size) throws IOException {
    ByteBuffer prefix = read(channel, 0, (int) Math.min(8, size));
    if (prefix.remaining() < 8) {
      throw new InputException(
          file + ": is cut off, " + size + " bytes hold no safetensors header");
    }
    return prefix.order(ByteOrder.LITTLE_ENDIAN).getLong();
  }

  private static JsonNode readHeader(Path file, FileChannel channel, long size) throws IOException {
    refuseOtherFiles(file, read(channel, 0, (int) Math.min(64, size)));
    long length = headerLength(file, channel, size);
    if (length < 2 || length > MAX_HEADER || length > size - 8) {
      throw new InputException(
          file
              + ": the header says it is "
              + Long.toUnsignedString(length)
              + " bytes long, but the file has "
              + (size - 8)
              + " behind the length");
    }
    byte[] text = new byte[(int) length];
    read(channel, 8, text.length).get(text);
    for (byte b : text) {
      if (b == 0) {
        throw new InputException(file + ": the header holds a zero byte");
      }
    }
    try {
      JsonNode header = JSON.readTree(text);
      if (header == null || !header.isObject()) {
        throw new InputException(file + ": the header is not a JSON object");
      }
      return header;
    } catch (JsonProcessingException e) {
      throw new InputException(file + ": the header is broken: " + firstLine(e), e);
    }
  }

  /** People find a pointer or a web page where the weights should be. */
  private static void refuseOtherFiles(Path file, ByteBuffer start) {
    String text = StandardCharsets.ISO_8859_1.decode(start).toString().stripLeading();
    if (text.startsWith("version https://git-lfs")) {
      throw new InputException(
          file + ": is a Git LFS pointer, the weights themselves were not downloaded");
    }
    if (text.startsWith("<!") || text.regionMatches(true, 0, "<html", 0, 5)) {
      throw new InputException(file + ": is a web page, not a weight file");
    }
  }

  private static ByteBuffer read(FileChannel channel, long at, int count) throws IOException {
    ByteBuffer buffer = ByteBuffer.allocate(count);
    while (buffer.hasRemaining() && channel.read(buffer, at + buffer.position()) >= 0) {}
    return buffer.flip();
  }

  private void addEntries(Path file, JsonNode header, long data, long size) {
    var own = new ArrayList<Entry>();
    for (var field : header.properties()) {
      if (field.getKey().equals("__metadata__")) {
        checkMetadata(file, field.getValue());
      } else {
        own.add(entry(file, field.getKey(), field.getValue(), data, size));
      }
    }
    own.sort(Comparator.comparingLong(Entry::offset).thenComparingLong(Entry::bytes));
    long end = data;
    for (Entry entry : own) {
      if (entry.offset() != end) {
        throw new InputException(
            file
                + ": tensor "
                + entry.name()
                + " begins at byte "
                + (entry.offset() - data)
                + " of the data, but "
                + (end - data)
                + " was expected ("
                + (entry.offset() < end ? "tensors overlap" : "there is a hole")
                + ")");
      }
      end += entry.bytes();
      if (entries.put(entry.name(), entry) != null) {
        throw new InputException(file + ": tensor " + entry.name() + " is also in another shard");
      }
    }
    if (end != size) {
      throw new InputException(file + ": has " + (size - end) + " bytes that belong to no tensor");
    }
  }

  private static void checkMetadata(Path file, JsonNode metadata) {
    boolean texts = metadata.isNull() || metadata.isObject();
    for (JsonNode value : metadata) {
      texts &= value.isTextual();
    }
    if (!texts) {
      throw new InputException(file + ": __metadata__ may hold texts only");
    }
  }

  private static Entry entry(Path file, String name, JsonNode node, long data, long size) {
    String dtype = node.path("dtype").asText();
    Integer bits = BITS.get(dtype);
    if (bits == null) {
      throw new InputException(file + ": tensor " + name + " has an unknown dtype '" + dtype + "'");
    }
    JsonNode offsets = node.path("data_offsets");
    if (!node.path("shape").isArray()
        || offsets.size() != 2
        || !offsets.get(0).isIntegralNumber()
        || !offsets.get(1).isIntegralNumber()) {
      throw new InputException(
          file + ": tensor " + name + " has no shape or no pair of data_offsets");
    }
    var shape = new ArrayList<Long>();
    long elements = 1;
    for (JsonNode d : node.path("shape")) {
      if (!d.isIntegralNumber() || !d.canConvertToLong() || d.longValue() < 0) {
        throw new InputException(file + ": tensor " + name + " has a dimension of " + d);
      }
      shape.add(d.longValue());
      if (Math.multiplyHigh(elements, d.longValue()) != 0 || elements * d.longValue() < 0) {
        throw new InputException(
            file + ": tensor " + name + " of shape " + node.path("shape") + " is absurdly large");
      }
      elements *= d.longValue();
    }
    long from = offsets.get(0).longValue();
    long to = offsets.get(1).longValue();
    if (from < 0 || to < from || to > size - data) {
      throw new InputException(
          file
              + ": tensor "
              + name
              + " lies at bytes "
              + from
              + " to "
              + to
              + ", but the file holds "
              + (size - data)
              + " bytes of data; it may be cut off");
    }
    if (elements > Long.MAX_VALUE / 64
        || elements * bits % 8 != 0
        || elements * bits / 8 != to - from) {
      throw new InputException(
          file
              + ": tensor "
              + name
              + " has "
              + (to - from)
              + " bytes, which does not fit "
              + dtype
              + " of shape "
              + shape);
    }
    return new Entry(name, dtype, List.copyOf(shape), file, data + from, to - from);
  }

  /** Reads a JSON file of a checkpoint. */
  static JsonNode readJson(Path file, String what) {
    try {
      JsonNode node = JSON.readTree(Files.readAllBytes(file));
      if (node == null || !node.isObject()) {
        throw new InputException(file + ": " + what + " is not a JSON object");
      }
      return node;
    } catch (JsonProcessingException e) {
      throw new InputException(file + ": not JSON: " + firstLine(e), e);
    } catch (IOException e) {
      throw new InputException(
          file + (Files.exists(file) ? ": " + what + " cannot be read" : ": there is no such file"),
          e);
    }
  }

  private static String firstLine(JsonProcessingException e) {
    String message = e.getOriginalMessage().lines().findFirst().orElse("broken");
    return e.getLocation() == null
        ? message
        : message
            + " (line "
            + e.getLocation().getLineNr()
            + ", column "
            + e.getLocation().getColumnNr()
            + ")";
  }

  /** Unmaps the files; harmless when repeated. */
  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
