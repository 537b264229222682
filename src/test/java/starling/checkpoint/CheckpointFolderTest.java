package starling.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import starling.checkpoint.SafetensorsTest.Refusal;

/** What people give in place of a checkpoint folder is called by its name. */
class CheckpointFolderTest {
  @TempDir Path dir;

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "llava-hf/llava-1.5-7b-hf | there is no such folder; checkpoints are not downloaded",
        "https://huggingface.co/llava-hf/llava-1.5-7b-hf | is an address, and nothing is fetched",
        "hf://llava-hf/llava-1.5-7b-hf | is an address, and nothing is fetched",
        "file:///models/llava | is an address; give the path alone, /models/llava",
        "/no/such/folder | there is no such folder",
      })
  void whatIsNoFolderIsNamed(String path, String part) {
    Refusal.of(() -> LlavaConfig.read(Path.of(path)), part);
  }

  @Test
  void aFileIsNamed() throws IOException {
    for (String[] c :
        new String[][] {
          {"model.gguf", "GGUF", "is a GGUF file, not the folder of a checkpoint"},
          {"llava.zip", "PK\3\4", "is a zip archive"},
          {"llava.tar.gz", "\37\213", "is a compressed or tar archive"},
          {"model.bin", "\200\2", "is a Python pickle"},
          {"model.onnx", "\b\7", "is a file (ONNX, which is not read); a checkpoint is a folder"},
          {"config.json", "{}", "is a file; a checkpoint is a folder"},
        }) {
      Path file = Files.write(dir.resolve(c[0]), c[1].getBytes(StandardCharsets.ISO_8859_1));
      Refusal.of(() -> LlavaConfig.read(file), c[0] + ": " + c[2]);
    }
  }

  /** Without a configuration, and with one but without weights that are read. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "adapter_model.safetensors | an adapter of another model, which has to be merged",
        "ggml-model-q4_k.gguf | ggml-model-q4_k.gguf, and GGUF is not read",
        "decoder_model_merged.onnx | a model in ONNX",
        "model.fp16.safetensors | model.fp16.safetensors, another variant",
        "model-00001-of-00003.safetensors | another variant",
        "model.safetensors.index.fp16.json | another variant",
        "consolidated.safetensors | the layout of Mistral",
        "consolidated.00.pth | the layout of Mistral",
        "mm_projector.bin | a part of the original LLaVA",
        "pytorch_model-00001-of-00002.bin | which is not read; use the llava-hf checkpoint",
        "tf_model.h5 | tf_model.h5, which is not read",
        "flax_model.msgpack | flax_model.msgpack, which is not read",
        "model.pt | model.pt, which is not read",
        "other.safetensors | other.safetensors, weights",
      })
  void whatAFolderHoldsIsNamed(String name, String part) throws IOException {
    Files.write(dir.resolve(name), new byte[] {1});
    Refusal.of(() -> LlavaConfig.read(dir), "config.json: there is no such file; the folder", part);
    Refusal.of(() -> Safetensors.open(dir).close(), "model.safetensors: there is no such", part);
  }

  @Test
  void foldersInsideAreLookedAt() throws IOException {
    Refusal.of(() -> LlavaConfig.read(dir), "config.json: there is no such file; a checkpoint is");
    Files.createDirectory(dir.resolve("onnx"));
    Refusal.of(() -> LlavaConfig.read(dir), "a model in ONNX");
    Files.delete(dir.resolve("onnx"));
    Files.createDirectory(dir.resolve("llava"));
    Files.writeString(dir.resolve("llava/config.json"), "{}");
    Refusal.of(() -> LlavaConfig.read(dir), "llava inside has a config.json");
    Files.createDirectory(dir.resolve("snapshots"));
    Refusal.of(() -> LlavaConfig.read(dir), "one of the folders in snapshots");
  }

  @Test
  void anAdapterSaysOfWhat() throws IOException {
    Files.writeString(
        dir.resolve("adapter_config.json"),
        "{\"base_model_name_or_path\":\"llava-hf/llava-1.5-7b-hf\"}");
    Refusal.of(() -> LlavaConfig.read(dir), "an adapter of llava-hf/llava-1.5-7b-hf, which");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "llava_llama | the original LLaVA layout; use the llava-hf checkpoint",
        "llava_mistral | the original LLaVA layout",
        "llava_mpt | the original LLaVA layout",
        "llava_qwen | the original LLaVA layout",
        "llava_next_video | another model of that family",
        "llava_onevision | another model of that family",
        "vipllava | another model of that family",
        "llama | a language model without a vision tower",
        "clip_vision_model | a vision tower without a language model",
        "qwen2_vl | qwen2_5_vl (llava-hf/llava-1.5-7b-hf and its like)",
      })
  void anotherModelIsNamedWithAWayOn(String type, String part) throws IOException {
    Files.writeString(dir.resolve("config.json"), "{\"model_type\":\"" + type + "\"}");
    Refusal.of(
        () -> LlavaConfig.read(dir), "model_type is '" + type + "'; supported are llava", part);
  }

  @Test
  void anEndTokenIsATextOrAnObjectOrMissing() throws IOException {
    Path file = dir.resolve("tokenizer_config.json");
    assertNull(CheckpointFolder.endToken(dir));
    Files.writeString(file, "{}");
    assertNull(CheckpointFolder.endToken(dir));
    Files.writeString(file, "{\"eos_token\": \"</s>\"}");
    assertEquals("</s>", CheckpointFolder.endToken(dir));
    Files.writeString(file, "{\"eos_token\": {\"content\": \"<end>\"}}");
    assertEquals("<end>", CheckpointFolder.endToken(dir));
  }

  @Test
  void theTypeOfAModelIsReadFromAFolderAlone() throws IOException {
    Files.writeString(dir.resolve("config.json"), "{\"model_type\": \"llava_next\"}");
    assertEquals("llava_next", CheckpointFolder.modelType(dir));
    Files.writeString(dir.resolve("config.json"), "{}");
    assertEquals("llava", CheckpointFolder.modelType(dir));
    Path missing = dir.resolve("none");
    Refusal.of(() -> CheckpointFolder.modelType(missing), "there is no such folder");
  }
}
