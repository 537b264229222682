package starling.checkpoint;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.LongStream;

/** Weights of any size that are all zero: a header, and a hole that takes no room on the disk. */
public final class ZeroCheckpoint {
  private final List<String> header = new ArrayList<>();
  private final String dtype;
  private long end;

  /**
   * A checkpoint without tensors.
   *
   * @param dtype of all, of two bytes an element
   */
  public ZeroCheckpoint(String dtype) {
    this.dtype = dtype;
  }

  /** Adds a tensor. */
  public ZeroCheckpoint tensor(String name, long... shape) {
    long bytes = 2 * LongStream.of(shape).reduce(1, (a, b) -> a * b);
    String dims =
        LongStream.of(shape).mapToObj(String::valueOf).collect(Collectors.joining(",", "[", "]"));
    header.add(SafetensorsFile.tensor(name, dtype, dims, end, end + bytes));
    end += bytes;
    return this;
  }

  /** Adds a matrix and its bias. */
  public void linear(String name, long out, long in) {
    tensor(name + ".weight", out, in);
    tensor(name + ".bias", out);
  }

  private void norm(String name) {
    tensor(name + ".weight", 1024);
    tensor(name + ".bias", 1024);
  }

  /** Adds CLIP-L/14-336 and the projector of a LLaVA of 7 billion. */
  public ZeroCheckpoint tower() {
    String v = "vision_tower.vision_model.";
    tensor(v + "embeddings.class_embedding", 1024);
    tensor(v + "embeddings.patch_embedding.weight", 1024, 3, 14, 14);
    tensor(v + "embeddings.position_embedding.weight", 577, 1024);
    norm(v + "pre_layrnorm");
    norm(v + "post_layernorm");
    for (int i = 0; i < 24; i++) {
      String b = v + "encoder.layers." + i + ".";
      for (String part : List.of("q_proj", "k_proj", "v_proj", "out_proj")) {
        linear(b + "self_attn." + part, 1024, 1024);
      }
      norm(b + "layer_norm1");
      norm(b + "layer_norm2");
      linear(b + "mlp.fc1", 4096, 1024);
      linear(b + "mlp.fc2", 1024, 4096);
    }
    linear("multi_modal_projector.linear_1", 4096, 1024);
    linear("multi_modal_projector.linear_2", 4096, 4096);
    return this;
  }

  /** Adds Vicuna of 7 billion. */
  public ZeroCheckpoint decoder() {
    String l = "language_model.model.";
    tensor(l + "embed_tokens.weight", 32064, 4096);
    for (int i = 0; i < 32; i++) {
      String b = l + "layers." + i + ".";
      for (String part : List.of("q_proj", "k_proj", "v_proj", "o_proj")) {
        tensor(b + "self_attn." + part + ".weight", 4096, 4096);
      }
      tensor(b + "input_layernorm.weight", 4096);
      tensor(b + "post_attention_layernorm.weight", 4096);
      tensor(b + "mlp.gate_proj.weight", 11008, 4096);
      tensor(b + "mlp.up_proj.weight", 11008, 4096);
      tensor(b + "mlp.down_proj.weight", 4096, 11008);
    }
    tensor(l + "norm.weight", 4096);
    return tensor("language_model.lm_head.weight", 32064, 4096);
  }

  /** Writes {@code model.safetensors}. */
  public void write(Path dir) throws IOException {
    byte[] text = ("{" + String.join(",", header) + "}").getBytes(StandardCharsets.UTF_8);
    try (var file = new RandomAccessFile(dir.resolve("model.safetensors").toFile(), "rw")) {
      file.setLength(0);
      file.write(
          ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(text.length).array());
      file.write(text);
      file.setLength(8 + text.length + end);
    }
  }
}
