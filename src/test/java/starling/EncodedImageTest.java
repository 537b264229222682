package starling;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import starling.cuda.Native;
import starling.device.DType;
import starling.device.DeviceType;
import starling.device.PositionRule;
import starling.device.Providers;
import starling.image.ImageMode;
import starling.input.InputException;
import starling.model.EncodedImage;
import starling.model.ImageOptions;
import starling.model.Mode;
import starling.prune.AttentionCut;
import starling.prune.CutPoint;
import starling.prune.CutSite;
import starling.prune.Method;
import starling.prune.Queries;
import starling.prune.VlmShape;

/** An image that goes through the tower once, for many questions. */
class EncodedImageTest {
  private static final List<String> SPECS =
      List.of(
          "none",
          "star:R=0.1,K=4,P=0.9",
          "fastervlm:keep=64",
          "vispruner:keep=58",
          "fastv:K=2,keep=144",
          "random:keep=64,seed=7");

  private static Question color() {
    return Question.of("What color is the heart?").maxTokens(6).logits(true);
  }

  @ParameterizedTest
  @CsvSource({"CPU, F32", "EMULATED, BF16"})
  void anAnswerAboutItHasTheBitsOfOneAboutTheImage(DeviceType type, DType dtype) {
    if (type == DeviceType.EMULATED) {
      Native.needs(Native.HOST);
    }
    try (Model model = Model.open(Demo.MODEL, type, dtype);
        EncodedImage encoded = model.encode(Demo.read("scene-00.png"))) {
      assertEquals(576, encoded.tokens().candidates());
      for (int time = 0; time < 2; time++) { // nothing of it is used up
        for (String spec : SPECS) {
          for (Mode mode : spec.startsWith("star") ? Mode.values() : new Mode[] {Mode.COMPACT}) {
            Question question = color().prune(spec).mode(mode);
            Answer expected = model.ask(question.copy().image(Demo.read("scene-00.png")));
            Answer found = model.ask(question.copy().image(encoded));
            String what = spec + " " + mode;
            assertEquals(expected.firstLogits(), found.firstLogits(), what);
            assertEquals(expected.outputTokens(), found.outputTokens(), what);
            assertEquals(expected.stages(), found.stages(), what);
            assertEquals(expected.images(), found.images(), what);
          }
        }
        if (type == DeviceType.EMULATED) {
          break;
        }
      }
    }
  }

  /** Two images of a prompt, one of which is encoded, in either place. */
  @Test
  void itStandsBesideOthers() {
    try (Model model = Model.open(Demo.MODEL);
        EncodedImage encoded = model.encode(Demo.read("scene-00.png"))) {
      var zero = Demo.read("scene-00.png");
      var one = Demo.read("scene-01.png");
      for (String spec : SPECS.subList(2, 4)) { // dense, two do not fit into the context
        Question q = color().prune(spec);
        assertEquals(
            model.ask(q.copy().image(zero).image(one)).firstLogits(),
            model.ask(q.copy().image(encoded).image(one)).firstLogits());
        assertEquals(
            model.ask(q.copy().image(one).image(zero)).firstLogits(),
            model.ask(q.copy().image(one).image(encoded)).firstLogits());
        assertEquals(
            model.ask(q.copy().image(zero).image(zero)).firstLogits(),
            model.ask(q.copy().image(encoded).image(encoded)).firstLogits());
      }
    }
  }

  /**
   * Other questions on the same images read their own text only. Products of few rows add in
   * another order, so the numbers are near and the tokens the same.
   */
  @ParameterizedTest
  @CsvSource({"CPU, F32, 1e-4", "EMULATED, F32, 1e-4"})
  void theBeginningOfAPromptIsReadOnce(DeviceType type, DType dtype, float bound) {
    if (type == DeviceType.EMULATED) {
      Native.needs(Native.HOST);
    }
    List<String> prompts =
        List.of("What color is the heart?", "Is there a star?", "Describe the image.");
    List<String> specs =
        new ArrayList<>(type == DeviceType.CPU ? SPECS : List.of("star:R=0.1,K=4,P=0.9"));
    if (type == DeviceType.CPU) {
      specs.add("star:R=0.1,K=4,P=0.9,kv=compact");
      specs.add("star:R=0,K=1,P=0.5");
    }
    try (Model model = Model.open(Demo.MODEL, type, dtype);
        EncodedImage encoded = model.encode(Demo.read("scene-00.png"))) {
      for (String spec : specs) {
        for (String prompt : prompts) {
          Question q =
              Question.of(prompt).prune(spec).maxTokens(6).logits(true).system("Be brief.");
          Answer expected = model.ask(q.copy().image(Demo.read("scene-00.png")));
          Answer found = model.ask(q.copy().image(encoded));
          String what = spec + ", " + prompt;
          assertEquals(expected.outputTokens(), found.outputTokens(), what);
          for (int i = 0; i < expected.firstLogits().size(); i++) {
            assertEquals(expected.firstLogits().get(i), found.firstLogits().get(i), bound, what);
          }
          assertEquals(
              expected.stages().stream().map(Answer.Stage::kept).toList(),
              found.stages().stream().map(Answer.Stage::kept).toList(),
              what);
          assertEquals(expected.tokensPerLayer(), found.tokensPerLayer(), what);
          assertEquals(expected.kvBytes(), found.kvBytes(), what);
        }
      }
    }
  }

  /** Cuts in a layer, and before the decoder to a number, that the length of the text decides. */
  private record ByLength(boolean layer) implements Method {
    @Override
    public String spec(VlmShape shape) {
      return "by-length";
    }

    @Override
    public List<CutPoint> cuts(VlmShape shape) {
      boolean longer = shape.textRows() > 12;
      return List.of(
          layer
              ? cut(CutSite.DECODER, longer ? 2 : 4, Queries.LAST, 58)
              : cut(CutSite.VISION, shape.visionBlocks(), Queries.CLS, longer ? 58 : 144));
    }

    private static CutPoint cut(CutSite site, int layer, Queries queries, int kept) {
      return new AttentionCut(site, layer, queries, List.of(kept), PositionRule.KEEP, false);
    }
  }

  /** What was kept of one prompt does not serve one that is cut elsewhere. */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void aMethodThatGoesByTheTextIsGivenItsOwnBeginning(boolean layer) {
    try (Model model = Model.open(Demo.MODEL);
        EncodedImage encoded = model.encode(Demo.read("scene-00.png"))) {
      for (String prompt :
          List.of("Is there a star?", "How many red objects are there in this image?", "Why?")) {
        Question q = Question.of(prompt).prune(new ByLength(layer)).maxTokens(3).logits(true);
        Answer expected = model.ask(q.copy().image(Demo.read("scene-00.png")));
        Answer found = model.ask(q.copy().image(encoded));
        assertEquals(expected.tokensPerLayer(), found.tokensPerLayer(), prompt);
        assertEquals(expected.outputTokens(), found.outputTokens(), prompt);
        for (int i = 0; i < expected.firstLogits().size(); i++) {
          assertEquals(expected.firstLogits().get(i), found.firstLogits().get(i), 1e-4f, prompt);
        }
      }
    }
  }

  @Test
  void whatIsKeptOfAPromptGoesWhenItsImageIsClosedOrRoomIsNeeded() {
    try (Model model = Model.open(Demo.MODEL)) {
      EncodedImage encoded = model.encode(Demo.read("scene-00.png"));
      Answer first = model.ask(color().image(encoded));
      assertTrue(model.load().cacheBytesUsed() > 0, "the beginning of the prompt is kept");
      assertTrue(model.load().cacheBytesUsed() < first.kvReservedBytes());
      encoded.close();
      while (model.load().cacheBytesUsed() > 0) {
        Thread.onSpinWait();
      }
      long one = first.kvReservedBytes();
      try (Model small =
              Model.open(
                  Demo.MODEL, DeviceType.CPU, DType.F32, Providers.AUTO, new Admission(4, 8, one));
          EncodedImage other = small.encode(Demo.read("scene-00.png"))) {
        assertEquals("yellow", small.ask(color().image(other)).text());
        assertEquals("yellow", small.ask(color().image(Demo.read("scene-00.png"))).text());
        assertEquals(0, small.load().cacheBytesUsed());
      }
    }
  }

  @Test
  void itsOwnerIsWhoMadeItAndQuestionsThatWereAskedKeepIt() throws Exception {
    try (Model model = Model.open(Demo.MODEL)) {
      EncodedImage encoded = model.encode(Demo.read("scene-00.png"));
      long rows = 577;
      assertTrue(encoded.bytes() >= rows * 5 * 64 * 4, "rows, their attention and its inputs");
      var held = new HeldMethod();
      var first = new FutureTask<>(() -> model.ask(color().image(encoded).prune(held)));
      Thread.ofPlatform().start(first);
      held.await();
      var waiting = new ArrayList<AnswerStream>();
      waiting.add(model.stream(color().image(encoded)));
      waiting.add(model.stream(color().image(encoded)));
      encoded.close();
      encoded.close();
      String message =
          assertThrows(IllegalStateException.class, () -> model.ask(color().image(encoded)))
              .getMessage();
      assertEquals("an encoded image is asked about after it was closed", message);
      waiting.get(1).close();
      held.go();
      assertEquals("yellow", first.get().text());
      assertEquals("yellow", waiting.get(0).answers().getFirst().text());
      assertEquals(0, model.load().waiting());
      while (encoded.bytes() > 0) { // the last of them gives it back
        Thread.onSpinWait();
      }
    }
  }

  @Test
  void anotherModelsOrOtherOptionsAreRefused() {
    EncodedImage left;
    try (Model model = Model.open(Demo.MODEL);
        Model other = Model.open(Demo.MODEL)) {
      left = model.encode(Demo.read("scene-00.png"));
      String message =
          assertThrows(InputException.class, () -> other.ask(color().image(left))).getMessage();
      assertEquals("an encoded image is another model's; encode it with this one", message);
      message =
          assertThrows(
                  InputException.class,
                  () -> model.ask(color().image(left).imageMode(ImageMode.PAD)))
              .getMessage();
      assertEquals("image 0 was encoded with other image options than the question has", message);
      ImageOptions pad = ImageOptions.DEFAULT.mode(ImageMode.PAD);
      try (EncodedImage padded = model.encode(Demo.read("scene-01.png"), pad)) {
        Question q = color().imageOptions(pad);
        assertEquals(
            model.ask(q.copy().image(Demo.read("scene-01.png"))).firstLogits(),
            model.ask(q.copy().image(padded)).firstLogits());
      }
    }
    left.close(); // after its model
    assertEquals(0, left.bytes());
  }
}
