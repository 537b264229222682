package starling;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import starling.checkpoint.SafetensorsFile;
import starling.checkpoint.SafetensorsFile.Raw;
import starling.device.DType;
import starling.device.DeviceType;
import starling.device.Sampling;
import starling.input.InputException;

/** Checkpoints as people have them, through the whole model. */
class CheckpointCasesTest {
  private static final String STAR = "star:R=0.3,K=2,P=0.6";
  private static final Answer BASE = new CheckpointCopy(Demo.MODEL).answer(STAR);

  @TempDir Path dir;
  private CheckpointCopy copy;

  @BeforeEach
  void copy() throws IOException {
    copy = CheckpointCopy.in(dir.resolve("model"));
  }

  private static List<List<Integer>> kept(Answer answer) {
    return answer.stages().stream().map(Answer.Stage::kept).toList();
  }

  /** Bit for bit: what does not matter changes nothing. */
  private static void assertSame(Answer expected, Answer answer) {
    assertEquals(expected.promptTokens(), answer.promptTokens());
    assertEquals(kept(expected), kept(answer));
    assertEquals(expected.outputTokens(), answer.outputTokens());
    assertEquals(expected.firstLogits(), answer.firstLogits());
  }

  private void assertRefused(String... parts) {
    String sentence = assertThrows(InputException.class, () -> copy.answer(STAR)).getMessage();
    assertEquals(1, sentence.lines().count(), sentence);
    for (String part : parts) {
      assertTrue(sentence.contains(part), sentence);
    }
  }

  @Test
  void aFolderOfLinksIsACheckpoint() {
    assertSame(BASE, copy.answer(STAR));
  }

  /** CK-1: the tower's last norm is never used, whatever the layer. */
  @Test
  void theTowersLastNormDoesNotMatter() throws IOException {
    copy.json("config.json", c -> c.put("vision_feature_layer", -1));
    Answer without = copy.answer(STAR);
    copy.weights(
        tensors -> {
          tensors.put("vision_tower.vision_model.post_layernorm.weight", Raw.f32(9, 96));
          tensors.put("vision_tower.vision_model.post_layernorm.bias", Raw.f32(9, 96));
        });
    assertSame(without, copy.answer(STAR));
    assertNotEquals(BASE.firstLogits(), without.firstLogits(), "another layer is another answer");
  }

  /** CK-2: what changes the mathematics is applied, or refused with its name and value. */
  @Test
  void anotherActivationOfTheTowerIsApplied() throws IOException {
    copy.json("config.json", c -> c.withObject("/vision_config").put("hidden_act", "gelu"));
    assertNotEquals(BASE.firstLogits(), copy.answer(STAR).firstLogits());
  }

  @ParameterizedTest
  @CsvSource({
    "'',projector_hidden_act,silu",
    "/text_config,hidden_act,relu",
    "/text_config,model_type,mistral",
    "/vision_config,model_type,siglip_vision_model",
    "'',vision_feature_select_strategy,cls_patch",
    "'',model_type,llava_next_video",
  })
  void whatChangesTheMathematicsIsRefused(String at, String key, String value) throws IOException {
    copy.json("config.json", c -> (at.isEmpty() ? c : c.withObject(at)).put(key, value));
    assertRefused("config.json", key, "'" + value + "'");
  }

  @Test
  void aWindowAndAQuantisationAreRefused() throws IOException {
    copy.json("config.json", c -> c.withObject("/text_config").put("sliding_window", 16));
    assertRefused("text_config.sliding_window is 16");
    copy.json(
        "config.json",
        c -> {
          c.withObject("/text_config").remove("sliding_window");
          c.withObject("/quantization_config").put("quant_method", "bitsandbytes");
        });
    assertRefused("quantization_config (bitsandbytes)");
  }

  /** CK-3: with {@code full} CLS goes along, always kept, no candidate, no index. */
  @ParameterizedTest
  @CsvSource({"none,577,577", "star:R=0.3;K=2;P=0.6,404,231", "fastervlm:keep=5,6,6"})
  void fullFeedsTheClassRowToo(String spec, int afterStage1, int afterStage2) throws IOException {
    copy.json("config.json", c -> c.put("vision_feature_select_strategy", "full"));
    Answer answer = copy.answer(spec.replace(';', ','));
    assertEquals(new Answer.VisualTokens(577, afterStage1, afterStage2), answer.visualTokens());
    for (List<Integer> kept : kept(answer)) {
      assertTrue(kept.stream().allMatch(i -> i >= 0 && i < 576));
    }
  }

  /** CK-6: the default is greedy, whatever a file asks for. */
  @Test
  void samplingFieldsOfTheCheckpointChangeNothing() throws IOException {
    copy.json(
        "generation_config.json",
        g -> g.put("do_sample", true).put("temperature", 0.9).put("top_p", 0.6));
    assertSame(BASE, copy.answer(STAR));
  }

  private static Question question() {
    return Question.of("How many red objects are there?").image(Demo.image("scene-00.png"));
  }

  /** The one field of them that is followed; a question may have it otherwise. */
  @Test
  void theRepetitionPenaltyOfTheCheckpointHoldsUnlessAQuestionNamesAnother() throws IOException {
    assertNull(BASE.repetitionPenalty());
    copy.json("generation_config.json", g -> g.put("repetition_penalty", 0.01));
    Answer penalized = copy.answer(STAR);
    assertEquals(0.01f, penalized.repetitionPenalty());
    assertEquals(BASE.firstLogits(), penalized.firstLogits(), "they are the model's own");
    var hot = new Sampling(100, 0, 1, 4);
    assertNotEquals(
        copy.answer(question().sampling(hot).repetitionPenalty(1), STAR).outputTokens(),
        copy.answer(question().sampling(hot), STAR).outputTokens());
    Question question = question();
    assertSame(BASE, copy.answer(question.repetitionPenalty(1), STAR));
    var own = question().sampling(Sampling.GREEDY.penalizing(3));
    assertEquals(3f, copy.answer(own, STAR).repetitionPenalty());
    assertThrows(IllegalArgumentException.class, () -> question.repetitionPenalty(0));
    copy.json("generation_config.json", g -> g.put("repetition_penalty", 0));
    assertRefused("generation_config.json", "repetition_penalty is 0.0; it must be above 0");
  }

  /** CK-7: tensors that nobody needs, of every type, scalars and empty ones among them. */
  @Test
  void tensorsNobodyNeedsDoNotMatter() throws IOException {
    copy.weights(
        tensors -> {
          var all = new LinkedHashMap<>(tensors);
          tensors.clear();
          tensors.put("rotary.inv_freq", new Raw("F64", List.of(2), new byte[16]));
          tensors.put("flags", new Raw("BOOL", List.of(3), new byte[3]));
          tensors.put("ids", new Raw("I64", List.of(1), new byte[8]));
          tensors.put("q8", new Raw("I8", List.of(2, 2), new byte[4]));
          tensors.put("f8", new Raw("F8_E4M3", List.of(4), new byte[4]));
          tensors.put("scalar", new Raw("F32", List.of(), new byte[4]));
          tensors.put("empty", new Raw("F32", List.of(0, 7), new byte[0]));
          tensors.put("odd", new Raw("U8", List.of(1), new byte[1]));
          tensors.putAll(all);
        });
    assertSame(BASE, copy.answer(STAR));
  }

  /** CK-11: with an index, only what it names is read. */
  @Test
  void aStrayFileBesideTheShardsIsNotRead() throws IOException {
    Map<String, Raw> tensors = copy.tensors();
    var zeros = new LinkedHashMap<String, Raw>();
    tensors.forEach(
        (name, t) -> zeros.put(name, new Raw(t.dtype(), t.shape(), new byte[t.bytes().length])));
    copy.without("model.safetensors");
    SafetensorsFile.write(copy.dir().resolve("model-1-of-1.safetensors"), tensors);
    SafetensorsFile.write(copy.dir().resolve("model.safetensors"), zeros);
    SafetensorsFile.write(copy.dir().resolve("consolidated.safetensors"), zeros);
    String map =
        tensors.keySet().stream()
            .map(name -> "\"" + name + "\":\"model-1-of-1.safetensors\"")
            .collect(Collectors.joining(","));
    Files.writeString(
        copy.dir().resolve("model.safetensors.index.json"), "{\"weight_map\":{" + map + "}}");
    assertSame(BASE, copy.answer(STAR));
  }

  /** haotian-liu's names, with the tower inside and a tokenizer.json beside. */
  @Test
  void theOriginalNamesAreRead() throws IOException {
    copy.weights(
        tensors -> {
          var renamed = SafetensorsFile.originalNames(tensors);
          tensors.clear();
          tensors.putAll(renamed);
        });
    assertSame(BASE, copy.answer(STAR));
  }

  @Test
  void whatIsNotReadIsNamedWithWhatToUse() throws IOException {
    copy.without("model.safetensors").file("pytorch_model.bin", new byte[10]);
    assertRefused("model.safetensors", "pytorch_model.bin", "llava-hf checkpoint");
    copy.without("pytorch_model.bin").file("pytorch_model.bin.index.json", new byte[10]);
    assertRefused("model.safetensors", "pytorch_model.bin", "llava-hf checkpoint");
  }

  @Test
  void aTokenizerModelAloneIsNamedWithWhatToUse() throws IOException {
    copy.without("tokenizer.json").file("tokenizer.model", new byte[10]);
    assertRefused("tokenizer.json", "tokenizer.model", "llava-hf checkpoint");
  }

  /** A download that stopped: at any length it is a sentence that names the file. */
  @Test
  void aHalfDownloadedFileIsRefused() throws IOException {
    byte[] whole = Files.readAllBytes(Demo.MODEL.resolve("model.safetensors"));
    int header = (int) ByteBuffer.wrap(whole).order(ByteOrder.LITTLE_ENDIAN).getLong();
    for (int length :
        List.of(0, 1, 7, 8, 9, 8 + header / 2, 8 + header, whole.length / 2, whole.length - 1)) {
      copy.file("model.safetensors", java.util.Arrays.copyOf(whole, length));
      assertRefused("model.safetensors: ");
    }
    copy.file("model.safetensors", java.util.Arrays.copyOf(whole, whole.length + 1));
    assertRefused("model.safetensors: ");
  }

  /** Python writes them; where they change nothing they are read. */
  @Test
  void notANumberWhereItDoesNotMatterChangesNothing() throws IOException {
    for (String name :
        List.of(
            "config.json",
            "generation_config.json",
            "tokenizer_config.json",
            "special_tokens_map.json")) {
      copy.text(
          name,
          t ->
              t.replaceFirst(
                  "\\{", "{\"temperature\":NaN,\"top_p\":Infinity,\"top_k\":-Infinity,"));
    }
    copy.text("tokenizer.json", t -> t.replaceFirst("\\{", "{\"x\":NaN,"));
    copy.text("preprocessor_config.json", t -> t.replaceFirst("\\{", "{\"data_format\":NaN,"));
    assertSame(BASE, copy.answer(STAR));
    copy.text("preprocessor_config.json", t -> t.replaceFirst("0.00392[0-9]*", "NaN"));
    assertRefused("preprocessor_config.json: rescale_factor is NaN");
  }

  @Test
  void aStaleCopyInAnotherShardChangesNothing() throws IOException {
    Map<String, Raw> tensors = copy.tensors();
    String name = "language_model.model.layers.0.mlp.gate_proj.weight";
    var others = new LinkedHashMap<>(tensors);
    var first = Map.of(name, others.get(name));
    others.put(name, new Raw("F16", List.of(1), new byte[2]));
    copy.without("model.safetensors");
    SafetensorsFile.write(copy.dir().resolve("b"), first);
    SafetensorsFile.write(copy.dir().resolve("a"), others);
    String map =
        tensors.keySet().stream()
            .map(t -> "\"" + t + "\":\"" + (t.equals(name) ? "b" : "a") + "\"")
            .collect(Collectors.joining(","));
    Files.writeString(
        copy.dir().resolve("model.safetensors.index.json"), "{\"weight_map\":{" + map + "}}");
    assertSame(BASE, copy.answer(STAR));
  }

  /** One head, wide, and a context of a million: the table of angles has what is asked for. */
  @Test
  void aLongContextCostsWhatIsAskedOfIt() throws IOException {
    copy.json(
        "config.json", c -> c.withObject("/text_config").put("max_position_embeddings", 1 << 20));
    assertSame(BASE, copy.answer(STAR));
    var config = copy.json("config.json", c -> c.withObject("/text_config").put("head_dim", 4096));
    Cost.ofRefusal(
        200, () -> Model.open(config.dir(), DeviceType.CPU, DType.F32).close(), "head_dim");
  }

  /** A few megabytes of weights that would need gigabytes for a question. */
  @Test
  void whatAQuestionTakesIsCountedBefore() throws IOException {
    int head = 200_000;
    copy.json(
        "config.json",
        c -> {
          c.withObject("/text_config")
              .put("num_hidden_layers", 1)
              .put("num_attention_heads", 1)
              .put("num_key_value_heads", 1)
              .put("head_dim", head)
              .put("hidden_size", 1)
              .put("max_position_embeddings", 1 << 20);
        });
    copy.weights(
        tensors -> {
          tensors
              .keySet()
              .removeIf(
                  name -> name.contains("language_model") && name.matches(".*layers[.][1-7][.].*"));
          tensors.replaceAll((name, t) -> new Raw("F16", shape(name, t, head), null));
          tensors.replaceAll(
              (name, t) ->
                  new Raw(
                      "F16",
                      t.shape(),
                      new byte[2 * t.shape().stream().reduce(1, (a, b) -> a * b)]));
        });
    try (Model model = Model.open(copy.dir(), DeviceType.CPU, DType.F32)) {
      Question question = Question.of("What?").image(Demo.image("scene-00.png"));
      Cost.ofRefusal(100, () -> model.ask(question), "would take", "GB of keys");
      assertEquals(2, model.ask(Question.of("a").maxTokens(2)).outputTokens().size());
    }
  }

  /** Width 1 in the decoder, and one head of {@code head}. */
  private static List<Integer> shape(String name, Raw t, int head) {
    if (name.startsWith("vision_tower")) {
      return t.shape();
    }
    if (name.contains("self_attn")) {
      return name.contains("o_proj") ? List.of(1, head) : List.of(head, 1);
    }
    if (name.endsWith("linear_1.weight")) {
      return List.of(1, t.shape().get(1));
    }
    if (name.contains("projector") || t.shape().size() == 1) {
      return t.shape().size() == 1 ? List.of(1) : List.of(1, 1);
    }
    return name.contains("down_proj") ? List.of(1, t.shape().get(1)) : List.of(t.shape().get(0), 1);
  }

  @ParameterizedTest
  @CsvSource({
    "crop_size,95,crop_size makes 95x95 pixels",
    "size,95,",
    "do_center_crop,false,size makes at least 112x112 pixels",
  })
  void aSizeThatContradictsTheModelIsFoundOnOpening(String field, String value, String part)
      throws IOException {
    copy.json(
        "preprocessor_config.json",
        p -> {
          if (field.equals("do_center_crop")) {
            p.put(field, false).put("size", 112);
          } else {
            p.put(field, Integer.parseInt(value));
          }
        });
    if (part == null) {
      Model.open(copy.dir(), DeviceType.CPU, DType.F32).close(); // the crop decides
    } else {
      Cost.ofRefusal(
          200,
          () -> Model.open(copy.dir(), DeviceType.CPU, DType.F32).close(),
          "preprocessor_config.json: " + part,
          "config.json (vision_config image_size) asks for 96x96");
    }
  }

  @Test
  void whatIsOddIsWarnedOfOnce() throws IOException {
    try (Model model = Model.open(copy.dir(), DeviceType.CPU, DType.F32)) {
      assertEquals(List.of(), model.warnings());
    }
    copy.json("config.json", c -> c.put("new_key", 1));
    copy.file("chat_template.jinja", "[INST] {{ x }} [/INST]".getBytes(StandardCharsets.UTF_8));
    try (Model model = Model.open(copy.dir(), DeviceType.CPU, DType.F32)) {
      assertEquals(2, model.warnings().size());
      assertTrue(model.warnings().get(0).endsWith("ignored: new_key"));
      assertTrue(model.warnings().get(1).contains("chat_template.jinja has a chat template"));
    }
    assertSame(BASE, copy.answer(STAR));
  }

  /** Every file that is opened when a model is. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "model.safetensors.index.json",
        "preprocessor_config.json",
        "processor_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.json",
        "chat_template.jinja"
      })
  void aPipeOrADeviceIsRefusedWhicheverFileItIs(String name) throws Exception {
    Path file = copy.dir().resolve(name);
    Files.deleteIfExists(file);
    Files.createSymbolicLink(file, Path.of("/dev/zero"));
    assertRefusedSoon(name + ": is a pipe or a device");
    Files.delete(file);
    assertEquals(0, new ProcessBuilder("mkfifo", file.toString()).start().waitFor());
    assertRefusedSoon(name + ": is a pipe or a device");
    Files.delete(file);
    Files.createDirectory(file);
    assertRefusedSoon(name + ": is a folder");
  }

  private void assertRefusedSoon(String part) {
    assertTimeoutPreemptively(
        Duration.ofSeconds(20),
        () ->
            Cost.ofRefusal(
                200, () -> Model.open(copy.dir(), DeviceType.CPU, DType.F32).close(), part));
  }
}
