package starling.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import starling.device.DType;
import starling.device.PlainFormat;
import starling.device.StoredTensor;
import starling.device.WeightFormat;
import starling.input.InputException;
import starling.input.InputFile;
import starling.input.InputJson;
import starling.input.Limits;

/**
 * The weight files of a checkpoint folder, memory-mapped: the shards that {@code
 * model.safetensors.index.json} names, or {@code model.safetensors} alone. Headers are checked in
 * full when opened; tensors are views of the files. Closing unmaps them, and views become unusable.
 */
public final class Safetensors implements AutoCloseable {
  private static final Pattern FILE_NAME = Pattern.compile("[^/\\\\\\x00]+");

  /** The types that weights may have, by their names in a file. */
  private static final Map<String, WeightFormat> FORMATS = new LinkedHashMap<>();

  static {
    FORMATS.put("F32", new PlainFormat(DType.F32));
    FORMATS.put("F16", new PlainFormat(DType.F16));
    FORMATS.put("BF16", new PlainFormat(DType.BF16));
  }

  private final Path dir;
  private final Arena arena = Arena.ofShared();
  private final Map<String, Entry> entries = new LinkedHashMap<>();
  private final Set<String> used = new HashSet<>();
  private final Map<Path, MemorySegment> mapped = new HashMap<>();
  private final List<Entry> stale = new ArrayList<>();
  private final Map<String, Path> twice = new HashMap<>();
  private long headerBytes;
  private int held;

  /**
   * A tensor as the header lists it.
   *
   * @param name as the checkpoint calls it
   * @param dtype the format's name of the type
   * @param shape outermost dimension first
   * @param file the file that holds it
   * @param offset first byte in that file
   * @param bytes length in the file
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
        weights.readFile(dir.resolve("model.safetensors"), Map.of());
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

  /** Copies of tensors in files where the index does not place them; they are not read. */
  public List<Entry> stale() {
    return List.copyOf(stale);
  }

  /** Whether {@link #get} was asked for a tensor. */
  public boolean used(String name) {
    return used.contains(name);
  }

  /** Whether there is a tensor of that name. */
  public boolean has(String name) {
    return entries.containsKey(name);
  }

  /**
   * A tensor the model uses.
   *
   * @param shape the shape the configuration asks for
   * @param fields the configuration fields that shape comes from
   */
  public StoredTensor get(String name, List<Integer> shape, String fields) {
    used.add(name);
    Entry entry = entries.get(name);
    if (entry == null) {
      throw new InputException(dir + ": tensor " + name + " is missing from the weight files");
    }
    check(entry, shape, fields);
    MemorySegment bytes = mapped.get(entry.file()).asSlice(entry.offset(), entry.bytes());
    return new StoredTensor(name, format(entry), shape, bytes);
  }

  private void check(Entry entry, List<Integer> shape, String fields) {
    String name = entry.name();
    if (twice.containsKey(name)) {
      throw new InputException(
          twice.get(name)
              + ": tensor "
              + name
              + " is also in "
              + entry.file().getFileName()
              + ", and the index names neither");
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
  }

  private static WeightFormat format(Entry entry) {
    WeightFormat format = FORMATS.get(entry.dtype());
    if (format == null) {
      throw new InputException(
          entry.file()
              + ": tensor "
              + entry.name()
              + " has type "
              + entry.dtype()
              + "; "
              + String.join(", ", FORMATS.keySet()).replaceFirst(", (?=\\w+$)", " and ")
              + " are supported");
    }
    return format;
  }

  private void readShards(Path index) {
    Map<String, String> map = weightMap(index);
    var shards = new TreeSet<>(map.values());
    if (shards.size() > Limits.SHARDS) {
      throw new InputException(
          index + ": weight_map names " + shards.size() + " files; at most " + Limits.SHARDS);
    }
    for (String shard : shards) {
      readFile(dir.resolve(shard), map);
    }
    map.forEach(
        (name, shard) -> {
          Entry entry = entries.get(name);
          if (entry == null || !entry.file().endsWith(shard)) {
            throw new InputException(
                index
                    + ": tensor "
                    + name
                    + " is not in "
                    + shard
                    + ", where weight_map places it");
          }
        });
  }

  /** File names by tensor. */
  private static Map<String, String> weightMap(Path index) {
    JsonNode node = InputJson.read(index).path("weight_map");
    if (!node.isObject()) {
      throw new InputException(index + ": field weight_map is missing or not an object");
    }
    if (node.size() > Limits.TENSORS) {
      throw new InputException(
          index + ": weight_map has " + node.size() + " tensors; at most " + Limits.TENSORS);
    }
    var map = new LinkedHashMap<String, String>();
    for (var tensor : node.properties()) {
      String shard = tensor.getValue().asText();
      if (!tensor.getValue().isTextual() || !isFileName(shard)) {
        throw new InputException(
            index
                + ": weight_map sends tensor "
                + tensor.getKey()
                + " to '"
                + shard
                + "', which is no file name in this folder");
      }
      map.put(tensor.getKey(), shard);
    }
    return map;
  }

  private static boolean isFileName(String name) {
    try {
      return !Path.of(name).toString().equals("..") && FILE_NAME.matcher(name).matches();
    } catch (InvalidPathException e) {
      return false; // half a character
    }
  }

  /**
   * @param map the file that holds each tensor, as the index says; empty without an index
   */
  private void readFile(Path file, Map<String, String> map) {
    if (!Files.exists(file)) {
      String inside = CheckpointFolder.inside(dir);
      throw new InputException(
          file
              + ": there is no such weight file"
              + (inside == null || !map.isEmpty() ? "" : "; the folder holds " + inside));
    }
    InputFile.checkedSize(file);
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      long size = channel.size();
      var header = SafetensorsHeader.read(file, channel, size, headerBytes, held);
      headerBytes += header.length();
      held += header.entries().size();
      mapped.put(file, channel.map(FileChannel.MapMode.READ_ONLY, 0, size, arena));
      for (Entry entry : header.entries()) {
        add(entry, map.get(entry.name()));
      }
    } catch (IOException e) {
      throw new InputException(file + ": the weights cannot be read", e);
    }
  }

  /**
   * The index decides where a tensor is; a copy elsewhere was left behind by whoever wrote the
   * files again. A tensor that no index places may be in one file only, if it is used.
   */
  private void add(Entry entry, String shard) {
    if (shard != null && !entry.file().endsWith(shard)) {
      stale.add(entry);
    } else if (entries.putIfAbsent(entry.name(), entry) != null) {
      stale.add(entry);
      twice.put(entry.name(), entry.file());
    }
  }

  /**
   * Finds the reason of a fault while a tensor was read.
   *
   * @throws InputException if a file is shorter now than it was when it was opened
   */
  public void checkWhole() {
    mapped.forEach(
        (file, bytes) -> {
          long size = file.toFile().length();
          if (size < bytes.byteSize()) {
            throw new InputException(
                file
                    + ": was cut from "
                    + bytes.byteSize()
                    + " to "
                    + size
                    + " bytes while it was in use; weight files must not change while the model is"
                    + " open");
          }
        });
  }

  /** Unmaps the files; harmless when repeated. */
  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
