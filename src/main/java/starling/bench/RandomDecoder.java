package starling.bench;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import starling.input.InputException;

/**
 * A checkpoint whose decoder has a given shape and random bf16 weights, with the smallest tower, in
 * a new folder under {@code java.io.tmpdir}; {@link #close} removes it, and so does the end of the
 * process.
 */
final class RandomDecoder implements AutoCloseable {
  /**
   * Sizes of a Llama.
   *
   * @param layers how many blocks
   * @param width of a row
   * @param heads of attention, keys and values have as many
   * @param inner width of the MLP
   * @param vocabulary rows of the embedding and of the output head
   */
  record Shape(int layers, int width, int heads, int inner, int vocabulary) {
    /** Four of the 32 layers of Llama 2 of 7 billion, as LLaVA-1.5 has it: 2.1 GB. */
    static final Shape LLAMA_7B = new Shape(4, 4096, 32, 11008, 32064);

    private long bytes() {
      long matrices = 4L * width * width + 3L * width * inner;
      return 2 * (layers * matrices + 2L * vocabulary * width);
    }
  }

  private static final int TOWER_WIDTH = 64;
  private static final int BLOCK_BYTES = 16 << 20; // of numbers, which are repeated
  private static final long SPARE_BYTES = 256L << 20;
  private static final String FILE = "model.safetensors";

  private final Path folder;
  private final List<String> header = new ArrayList<>();
  private final Thread hook = new Thread(this::remove);
  private long end;

  private RandomDecoder(Path folder) {
    this.folder = folder;
    Runtime.getRuntime().addShutdownHook(hook);
  }

  /**
   * Writes it.
   *
   * @param tokenizer a folder with the {@code tokenizer.json} of fewer tokens
   * @throws InputException if there is no room
   */
  static RandomDecoder write(Shape shape, Path tokenizer) {
    String to = System.getProperty("java.io.tmpdir");
    RandomDecoder made = null;
    try {
      long room = Files.getFileStore(Path.of(to)).getUsableSpace();
      if (room < shape.bytes() + SPARE_BYTES) {
        throw new InputException(
            "%s has room for %.1f GB and random weights take %.1f GB; -Djava.io.tmpdir=DIR"
                .formatted(to, room / 1e9, (shape.bytes() + SPARE_BYTES) / 1e9));
      }
      made = new RandomDecoder(Files.createTempDirectory("starling-bench"));
      made.files(shape, tokenizer);
      made.tower(shape.width);
      made.decoder(shape);
      made.weights();
      return made;
    } catch (IOException e) {
      if (made != null) {
        made.close();
      }
      throw new InputException(to + ": random weights cannot be written there (" + e + ")", e);
    }
  }

  /** The folder of the model. */
  Path folder() {
    return folder;
  }

  private void files(Shape shape, Path tokenizer) throws IOException {
    Files.copy(tokenizer.resolve("tokenizer.json"), folder.resolve("tokenizer.json"));
    Files.writeString(
        folder.resolve("preprocessor_config.json"),
        "{\"size\":{\"shortest_edge\":28},\"crop_size\":{\"height\":28,\"width\":28}}");
    Files.writeString(
        folder.resolve("config.json"),
        """
        {"model_type": "llava", "image_token_index": %d, "torch_dtype": "bfloat16",
         "text_config": {"model_type": "llama", "max_position_embeddings": 4096, "rms_norm_eps": 1e-05,
           "hidden_size": %d, "intermediate_size": %d, "num_attention_heads": %d,
           "num_key_value_heads": %d, "num_hidden_layers": %d, "vocab_size": %d},
         "vision_config": {"model_type": "clip_vision_model", "hidden_size": %d, "image_size": 28,
           "intermediate_size": %d, "num_attention_heads": 1, "num_hidden_layers": 2, "patch_size": 14}}
        """
            .formatted(
                shape.vocabulary - 1,
                shape.width,
                shape.inner,
                shape.heads,
                shape.heads,
                shape.layers,
                shape.vocabulary,
                TOWER_WIDTH,
                TOWER_WIDTH));
  }

  private void tower(int width) {
    String v = "vision_tower.vision_model.";
    tensor(v + "embeddings.class_embedding", TOWER_WIDTH);
    tensor(v + "embeddings.patch_embedding.weight", TOWER_WIDTH, 3, 14, 14);
    tensor(v + "embeddings.position_embedding.weight", 5, TOWER_WIDTH);
    biased(v + "pre_layrnorm", TOWER_WIDTH);
    biased(v + "post_layernorm", TOWER_WIDTH);
    for (int l = 0; l < 2; l++) {
      String b = v + "encoder.layers." + l + ".";
      for (String part : List.of("q_proj", "k_proj", "v_proj", "out_proj")) {
        biased(b + "self_attn." + part, TOWER_WIDTH, TOWER_WIDTH);
      }
      biased(b + "layer_norm1", TOWER_WIDTH);
      biased(b + "layer_norm2", TOWER_WIDTH);
      biased(b + "mlp.fc1", TOWER_WIDTH, TOWER_WIDTH);
      biased(b + "mlp.fc2", TOWER_WIDTH, TOWER_WIDTH);
    }
    biased("multi_modal_projector.linear_1", width, TOWER_WIDTH);
    biased("multi_modal_projector.linear_2", width, width);
  }

  private void decoder(Shape shape) {
    String m = "language_model.model.";
    int width = shape.width;
    tensor(m + "embed_tokens.weight", shape.vocabulary, width);
    for (int l = 0; l < shape.layers; l++) {
      String b = m + "layers." + l + ".";
      for (String part : List.of("q_proj", "k_proj", "v_proj", "o_proj")) {
        tensor(b + "self_attn." + part + ".weight", width, width);
      }
      tensor(b + "input_layernorm.weight", width);
      tensor(b + "post_attention_layernorm.weight", width);
      tensor(b + "mlp.gate_proj.weight", shape.inner, width);
      tensor(b + "mlp.up_proj.weight", shape.inner, width);
      tensor(b + "mlp.down_proj.weight", width, shape.inner);
    }
    tensor(m + "norm.weight", width);
    tensor("language_model.lm_head.weight", shape.vocabulary, width);
  }

  private void biased(String name, int... shape) {
    tensor(name + ".weight", shape);
    tensor(name + ".bias", shape[0]);
  }

  private void tensor(String name, int... shape) {
    long from = end;
    long elements = 1;
    for (int n : shape) {
      elements *= n;
    }
    end += 2 * elements;
    header.add(
        "\"%s\":{\"dtype\":\"BF16\",\"shape\":%s,\"data_offsets\":[%d,%d]}"
            .formatted(name, Arrays.toString(shape), from, end));
  }

  private void weights() throws IOException {
    String json = "{" + String.join(",", header) + "}";
    byte[] text = (json + " ".repeat(-json.length() & 63)).getBytes(StandardCharsets.UTF_8);
    ByteBuffer block = block();
    try (var file = new RandomAccessFile(folder.resolve(FILE).toFile(), "rw")) {
      var size = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(text.length);
      file.write(size.array());
      file.write(text);
      for (long left = end; left > 0; left -= block.limit()) {
        block.clear().limit((int) Math.min(left, BLOCK_BYTES));
        while (block.hasRemaining()) {
          file.getChannel().write(block);
        }
      }
    }
  }

  /** Numbers of both signs with a deviation of 0.02, as the weights of a Llama have. */
  private static ByteBuffer block() {
    var random = new Random(7);
    ByteBuffer block = ByteBuffer.allocateDirect(BLOCK_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    while (block.hasRemaining()) {
      float value = (random.nextFloat() - 0.5f) * 0.07f;
      block.putShort((short) (Float.floatToRawIntBits(value) >>> 16));
    }
    return block;
  }

  @Override
  public void close() {
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // It is running.
    }
    remove();
  }

  private synchronized void remove() {
    if (Files.notExists(folder)) {
      return;
    }
    try (var files = Files.list(folder)) {
      for (Path file : files.toList()) {
        Files.delete(file);
      }
      Files.delete(folder);
    } catch (IOException e) {
      throw new InputException(folder + " cannot be removed (" + e + ")", e);
    }
  }
}
