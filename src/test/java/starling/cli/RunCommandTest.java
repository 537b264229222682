package starling.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static starling.cli.CommandLineTest.ask;
import static starling.cli.CommandLineTest.assertRefused;
import static starling.cli.CommandLineTest.names;
import static starling.cli.CommandLineTest.withoutFallback;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import starling.Demo;
import starling.cli.CommandLineTest.Result;
import starling.image.Image;

/** {@code starling run} as scripts see it: the answer, the report, what is refused. */
class RunCommandTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @Test
  void runStreamsTheAnswerAndClosesWithOneLine() {
    Result result = ask("--prune", "star:R=0.1,K=4,P=0.9");
    assertEquals(0, result.status());
    assertEquals("yellow", result.out().strip());
    assertEquals(2, result.err().lines().count(), "the fallback is said once");
    assertTrue(
        withoutFallback(result)
            .matches(
                "prefill 532 rows in [0-9.]+ ms \\(vision [0-9.]+ ms\\), decode [0-9.]+ tokens/s, [0-9.]+ GB/s, KV 2.5 of 4.8 MB\\s+"),
        result.err());
  }

  @Test
  void runJsonHasTheFieldsScriptsDependOn() {
    JsonNode answer = ask("--prune", "star:R=0.1,K=4,P=0.9", "--json", "--logits").json();
    var fields =
        List.of(
            "model",
            "device",
            "dtype",
            "prune",
            "prompt_tokens",
            "visual_tokens",
            "tokens_per_layer",
            "stages",
            "first_logits",
            "output_tokens",
            "text",
            "finish_reason",
            "flops",
            "kv_bytes",
            "kv_reserved_bytes",
            "timings_ms");
    assertTrue(names(answer).containsAll(fields), names(answer).toString());
    assertEquals("star:R=0.1,K=4,P=0.9", answer.get("prune").textValue());
    assertEquals(
        List.of("input", "after_stage1", "after_stage2"), names(answer.get("visual_tokens")));
    assertEquals(518, answer.at("/visual_tokens/after_stage1").intValue());
    assertEquals(
        List.of("formula", "dense", "pruned", "reduction", "counts_text", "counts_vision"),
        names(answer.get("flops")).subList(0, 6));
    assertEquals(
        List.of(
            "load",
            "waiting",
            "preprocess",
            "vision",
            "prune",
            "prefill",
            "decode_per_token",
            "total"),
        names(answer.get("timings_ms")));
    assertEquals(List.of("dense", "pruned"), names(answer.get("kv_bytes")));
    assertEquals(
        List.of("stage", "image", "where", "layer", "kept", "scores"),
        names(answer.get("stages").get(0)));
    assertEquals("vision", answer.at("/stages/0/where").textValue());
    assertEquals("decoder", answer.at("/stages/1/where").textValue());
    assertEquals(4, answer.at("/stages/1/layer").intValue());
    assertEquals(512, answer.get("first_logits").size());
    assertEquals("yellow", answer.get("text").textValue());
    assertEquals("stop", answer.get("finish_reason").textValue());
    assertEquals("cpu", answer.get("device").textValue());
    assertEquals("f32", answer.get("dtype").textValue());
    assertFalse(ask("--json").json().has("first_logits"));
  }

  @Test
  void aTraceCanBeReplayedAndTheOverlayIsAnImage(@TempDir Path dir) throws IOException {
    Path trace = dir.resolve("trace.json");
    Path overlay = dir.resolve("kept.png");
    JsonNode answer =
        ask(
                "--prune",
                "star:R=0.1,K=4,P=0.9",
                "--trace",
                trace.toString(),
                "--overlay",
                overlay.toString(),
                "--json")
            .json();
    JsonNode traced = JSON.readTree(Files.readAllBytes(trace));
    assertEquals(answer.get("stages"), traced.get("stages"));
    JsonNode replayed = ask("--prune", "replay:" + trace, "--json").json();
    assertEquals(answer.at("/stages/1/kept"), replayed.at("/stages/1/kept"));
    assertEquals(answer.get("output_tokens"), replayed.get("output_tokens"));
    Image image = Image.read(overlay);
    assertEquals(672, image.width());
    int bright = 0;
    for (byte b : image.rgb()) {
      bright += (b & 0xff) > 200 ? 1 : 0;
    }
    assertTrue(bright > 1000, "kept patches keep their light");
    try (Stream<Path> files = Files.list(dir)) {
      assertEquals(2, files.count(), "nothing else is left behind");
    }
  }

  @Test
  void maskModeAndOtherTypesAnswerToo() {
    assertEquals("yellow", ask("--mode", "mask", "--prune", "star:R=0.1,K=4,P=0.9").out().strip());
    for (String dtype : List.of("bf16", "f16")) {
      JsonNode answer = ask("--dtype", dtype, "--json").json();
      assertEquals(dtype, answer.get("dtype").textValue());
      assertEquals("yellow", answer.get("text").textValue());
      assertEquals(590 * 8 * 2 * 4 * 32 * 2, answer.at("/kv_bytes/pruned").intValue());
    }
  }

  @Test
  void samplingIsRepeatableAndStopTextsEndTheAnswer() {
    String[] hot = {"--temperature", "3", "--seed", "4", "--max-tokens", "12", "--json"};
    assertEquals(ask(hot).json().get("output_tokens"), ask(hot).json().get("output_tokens"));
    JsonNode stopped = ask("--stop", "llow", "--json").json();
    assertEquals("ye", stopped.get("text").textValue());
    assertEquals("stop", stopped.get("finish_reason").textValue());
    assertEquals("ye", ask("--stop", "llow").out().strip());
    JsonNode one = ask("--max-tokens", "1", "--json").json();
    assertEquals(1, one.get("output_tokens").size());
    assertEquals("length", one.get("finish_reason").textValue());
  }

  @Test
  void aRepetitionPenaltyIsNamedUnlessItIsNone() {
    JsonNode answer = ask("--repetition-penalty", "1.25", "--json").json();
    assertEquals(1.25, answer.get("repetition_penalty").doubleValue());
    assertFalse(ask("--repetition-penalty", "1", "--json").json().has("repetition_penalty"));
  }

  @Test
  void theLastOfARepeatedOptionWins() {
    assertEquals(
        1,
        ask("--max-tokens", "9", "--max-tokens", "1", "--json").json().get("output_tokens").size());
  }

  /** The note is not part of the answer; with a template named there is none. */
  @Test
  void aPromptThatHoldsTheImageIsWrappedByANamedTemplate() {
    String prompt = "<image>\nWhat color is the heart?";
    Result bare = ask("--prompt", prompt);
    assertEquals("square", bare.out().strip());
    assertTrue(
        bare.err().contains("starling: warning: the prompt holds <image>, so it is used as given"),
        bare.err());
    assertTrue(
        ask("--prompt", prompt, "--json").json().at("/warnings/0").textValue().contains("<image>"));
    for (String template : List.of("llava-hf", "vicuna_v1")) {
      Result wrapped = ask("--prompt", prompt, "--template", template);
      assertEquals("yellow", wrapped.out().strip());
      assertFalse(wrapped.err().contains("warning"), wrapped.err());
      assertRefused(
          1,
          "holds 2 <image> for 1 image(s)",
          ask("--prompt", "<image> and <image>", "--template", template));
    }
  }

  @Test
  void aSystemTextStandsInFront() {
    String question = "What color is the heart?";
    String spelled = "Where is the star? USER: <image>\n" + question + " ASSISTANT:";
    Result said = ask("--prompt", question, "--system", "Where is the star?", "--json");
    Result raw = ask("--prompt", spelled, "--template", "raw", "--json");
    assertEquals(raw.json().get("prompt_tokens"), said.json().get("prompt_tokens"));
    assertEquals(raw.json().get("output_tokens"), said.json().get("output_tokens"));
    assertRefused(1, "template raw uses the prompt", ask("--template", "raw", "--system", "x"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "--max-tokens 0", "--max-tokens x", "--device gpu", "--dtype f64", "--mode both",
            "--template x", "--image-mode x",
        "--temperature -1", "--top-p 0", "--top-k -1", "--prune nonsense", "--prune star:Q=1",
            "--nonsense", "--gemm x",
        "--attention x", "--seed x", "--repetition-penalty 0", "--repetition-penalty NaN"
      })
  void badUsageIsStatus2WithOneSentence(String options) {
    Result result = ask(options.split(" "));
    assertEquals(2, result.status());
    assertEquals(1, result.err().lines().count(), result.err());
    assertTrue(result.err().startsWith("starling run: "), result.err());
  }

  @Test
  void whatTheDeviceDoesNotHaveIsNamed() {
    assertRefused(
        1, "gemm cublaslt needs device cuda", ask("--device", "cpu", "--gemm", "cublaslt"));
    assertRefused(
        1, "attention cudnn needs device cuda", ask("--device", "cpu", "--attention", "cudnn"));
  }

  @Test
  void whatFailsNamesTheFileAndLeavesNothingBehind(@TempDir Path dir) throws IOException {
    assertRefused(
        1,
        "nowhere: there is no such folder",
        CommandLineTest.run(new byte[0], "run", "--model", "nowhere", "--prompt", "x"));
    assertRefused(1, "no-image.png: there is no such file", ask("--image", "no-image.png"));
    assertRefused(1, "there is no folder", ask("--trace", dir.resolve("no/trace.json").toString()));
    assertRefused(1, "R=0.9 must be smaller", ask("--prune", "star:R=0.9,P=0.5"));
    assertRefused(1, "device cuda", ask("--device", "cuda"));
    assertRefused(1, "holds 2 <image> for 1 image(s)", ask("--prompt", "<image> and <image>"));
    assertRefused(1, "max_position_embeddings", ask("--prompt", "many words ".repeat(500)));
    Path text = Files.writeString(dir.resolve("text.png"), "this is no image");
    assertRefused(1, "PNG and JPEG are read", ask("--image", text.toString()));
    byte[] png = Files.readAllBytes(Demo.image("small-00.png"));
    Path half = Files.write(dir.resolve("half.png"), Arrays.copyOf(png, png.length / 2));
    assertRefused(1, "half.png: the image is cut off", ask("--image", half.toString()));
  }

  @Test
  void aBrokenModelIsRefusedByFile(@TempDir Path dir) throws IOException {
    for (String broken :
        List.of(
            "config.json",
            "preprocessor_config.json",
            "tokenizer.json",
            "model.safetensors",
            "generation_config.json")) {
      for (int kept : new int[] {0, 1, 100}) {
        Path model = Files.createDirectories(dir.resolve(broken + kept));
        for (String name :
            List.of(
                "config.json",
                "preprocessor_config.json",
                "tokenizer.json",
                "model.safetensors",
                "generation_config.json")) {
          byte[] bytes = Files.readAllBytes(Demo.MODEL.resolve(name));
          Files.write(
              model.resolve(name),
              name.equals(broken) ? Arrays.copyOf(bytes, bytes.length * kept / 101) : bytes);
        }
        assertRefused(
            1,
            broken,
            CommandLineTest.run(new byte[0], "run", "--model", model.toString(), "--prompt", "x"));
      }
    }
  }

  @Test
  void aWeightThatIsNotFiniteEndsTheRunNamingThePlace(@TempDir Path dir) throws IOException {
    byte[] weights = Files.readAllBytes(Demo.MODEL.resolve("model.safetensors"));
    int headerLength = ByteBuffer.wrap(weights).order(ByteOrder.LITTLE_ENDIAN).getInt(0);
    JsonNode header = JSON.readTree(Arrays.copyOfRange(weights, 8, 8 + headerLength));
    var places =
        Map.of(
            "language_model.lm_head.weight", "a logit of generated token 1",
            "language_model.model.layers.3.self_attn.q_proj.weight",
                "stage 2 (image 0, decoder block 4)",
            "vision_tower.vision_model.encoder.layers.3.self_attn.k_proj.bias",
                "stage 1 (image 0, vision block 4)");
    for (var place : places.entrySet()) {
      Path model = Files.createDirectories(dir.resolve(place.getKey()));
      for (String name :
          List.of(
              "config.json",
              "preprocessor_config.json",
              "tokenizer.json",
              "generation_config.json")) {
        Files.copy(Demo.MODEL.resolve(name), model.resolve(name));
      }
      byte[] damaged = weights.clone();
      int at = 8 + headerLength + header.get(place.getKey()).get("data_offsets").get(0).intValue();
      damaged[at] = 0;
      damaged[at + 1] = 0x7e; // an F16 NaN
      Files.write(model.resolve("model.safetensors"), damaged);
      assertRefused(
          1,
          place.getValue(),
          ask("--model", model.toString(), "--prune", "star:R=0.1,K=4,P=0.9", "--json"));
    }
  }
}
