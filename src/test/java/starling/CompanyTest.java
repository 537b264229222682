package starling;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import starling.cuda.Native;
import starling.device.DType;
import starling.device.DeviceType;
import starling.device.Sampling;
import starling.model.Mode;

/** An answer alone and in company: the same bits, whoever else is asked about what. */
class CompanyTest {
  private static final List<String> SPECS =
      List.of(
          "none",
          "star:R=0.1,K=4,P=0.9",
          "star:R=0.1,K=4,P=0.9,kv=compact",
          "fastv:K=2,keep=144",
          "vispruner:keep=58");

  /** Question {@code i} of many: images, methods, lengths, sampling and modes in a mixture. */
  private static Question question(int i) {
    var random = new Random(i);
    Question question =
        Question.of(CrowdQuestion.TEXTS.get(random.nextInt(CrowdQuestion.TEXTS.size())))
            .image(Demo.read("scene-0" + random.nextInt(10) + ".png"))
            .prune(SPECS.get(random.nextInt(SPECS.size())))
            .maxTokens(1 + random.nextInt(24))
            .logprobs(1);
    if (random.nextInt(3) == 0) {
      question.sampling(new Sampling(0.8f, 0, 0.95f, i));
    }
    if (random.nextInt(5) == 0) {
      question.repetitionPenalty(1.2f);
    }
    return random.nextInt(10) == 0 ? question.mode(Mode.MASK) : question;
  }

  private static List<Answer> answers(Model model, int questions, int clients) throws Exception {
    try (var threads = Executors.newFixedThreadPool(clients)) {
      List<Callable<Answer>> asking =
          IntStream.range(0, questions)
              .<Callable<Answer>>mapToObj(i -> () -> model.ask(question(i)))
              .toList();
      var answers = new ArrayList<Answer>();
      for (Future<Answer> answer : threads.invokeAll(asking)) {
        answers.add(answer.get());
      }
      return answers;
    }
  }

  private static void assertSame(Answer expected, Answer found, String what) {
    assertEquals(expected.outputTokens(), found.outputTokens(), what);
    assertEquals(expected.logprobs(), found.logprobs(), what);
    assertEquals(expected.text(), found.text(), what);
    assertEquals(expected.stages(), found.stages(), what);
    assertEquals(expected.finishReason(), found.finishReason(), what);
    assertEquals(expected.kvReservedBytes(), found.kvReservedBytes(), what);
  }

  @ParameterizedTest
  @CsvSource({"CPU, F32, 200, 2 7 16", "EMULATED, BF16, 12, 7", "EMULATED, F32, 6, 5"})
  void anAnswerDoesNotDependOnItsCompany(
      DeviceType type, DType dtype, int questions, String companies) throws Exception {
    if (type == DeviceType.EMULATED) {
      Native.needs(Native.HOST);
    }
    try (Model model = Model.open(Demo.MODEL, type, dtype)) {
      List<Answer> alone = answers(model, questions, 1);
      for (String company : companies.split(" ", -1)) {
        int clients = Integer.parseInt(company);
        List<Answer> together = answers(model, questions, clients);
        for (int i = 0; i < questions; i++) {
          assertSame(alone.get(i), together.get(i), "question " + i + " among " + clients);
        }
      }
      assertEquals(0, model.load().cacheBytesUsed());
    }
  }

  /** Answers behind one prompt are those of as many questions with these seeds. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {"none | COMPACT", "star:R=0.1,K=4,P=0.9 | COMPACT", "fastv:K=2,keep=144 | MASK"})
  void severalAnswersShareAPrompt(String spec, Mode mode) {
    try (Model model = Model.open(Demo.MODEL)) {
      var heard = new ArrayList<String>();
      Question several =
          Question.of("Describe the image.")
              .image(Demo.read("scene-03.png"))
              .prune(spec)
              .mode(mode)
              .maxTokens(12)
              .logprobs(0)
              .repetitionPenalty(1.1f)
              .sampling(new Sampling(1.5f, 0, 1, 40))
              .answers(5)
              .progress((phase, done, of) -> heard.add(phase));
      var texts = new StringBuilder[5];
      List<Answer> answers;
      try (AnswerStream stream = model.stream(several)) {
        for (AnswerStream.Piece p = stream.next(); p != null; p = stream.next()) {
          if (texts[p.answer()] == null) {
            texts[p.answer()] = new StringBuilder();
          }
          texts[p.answer()].append(p.text());
        }
        answers = stream.answers();
      }
      assertEquals(1, heard.stream().filter("vision"::equals).count(), "one image, once");
      assertEquals(5, answers.size());
      assertTrue(
          answers.stream().map(Answer::text).distinct().count() > 1, "others than the first");
      several.answers(1);
      for (int i = 0; i < 5; i++) {
        Answer one = model.ask(several.sampling(new Sampling(1.5f, 0, 1, 40 + i)));
        assertSame(one, answers.get(i), "answer " + i);
        assertEquals(one.text(), texts[i].toString().strip());
      }
      assertEquals(0, model.load().cacheBytesUsed());
    }
  }

  @Test
  @SuppressWarnings("try") // closing early is what is tested
  void oneAnswerThatIsCancelledTakesItsSiblingsAlong() throws Exception {
    try (Model model = Model.open(Demo.MODEL);
        AnswerStream stream =
            model.stream(
                Question.of("Describe the image.")
                    .image(Demo.read("scene-03.png"))
                    .maxTokens(300)
                    .sampling(new Sampling(5, 0, 1, 1))
                    .answers(3))) {
      stream.next();
      assertEquals(3, model.load().running());
      stream.close();
      while (model.load().running() > 0 || model.load().cacheBytesUsed() > 0) {
        Thread.onSpinWait();
      }
    }
  }

  /** Against the definition, from the logits of the first token. */
  @Test
  void logProbabilitiesAreThoseOfTheLogits() {
    try (Model model = Model.open(Demo.MODEL)) {
      Answer answer =
          model.ask(
              Question.of("What color is the heart?")
                  .image(Demo.read("scene-00.png"))
                  .logits(true)
                  .logprobs(20));
      double sum = answer.firstLogits().stream().mapToDouble(l -> Math.exp(l)).sum();
      List<Integer> order =
          IntStream.range(0, answer.firstLogits().size())
              .boxed()
              .sorted(
                  (a, b) -> Float.compare(answer.firstLogits().get(b), answer.firstLogits().get(a)))
              .limit(20)
              .toList();
      Answer.Token first = answer.logprobs().getFirst();
      assertEquals(order, first.top().stream().map(Answer.Candidate::id).toList());
      for (Answer.Candidate candidate : first.top()) {
        double expected = answer.firstLogits().get(candidate.id()) - Math.log(sum);
        assertEquals(expected, candidate.logprob(), 1e-9);
      }
      assertEquals(first.top().getFirst().logprob(), first.logprob(), "greedy");
      assertEquals(
          answer.outputTokens(), answer.logprobs().stream().map(Answer.Token::id).toList());
      StringBuilder text = new StringBuilder();
      answer.logprobs().forEach(token -> text.append(token.text()));
      assertEquals("yellow</s>", text.toString().strip());
    }
  }
}
