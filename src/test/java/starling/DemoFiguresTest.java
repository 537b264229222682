package starling;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import org.junit.jupiter.api.Test;

/**
 * The 200 bundled questions get the answers that the reference got: {@code
 * tools/tiny-model/README.md}.
 */
class DemoFiguresTest {
  @Test
  void answersAgreeWithTheReferenceWithinTwo() throws IOException {
    int dense = 0;
    int star = 0;
    try (Model model = Model.open(Demo.MODEL)) {
      for (String line : Files.readAllLines(Demo.ROOT.resolve("questions.jsonl"))) {
        JsonNode row = new ObjectMapper().readTree(line);
        Question question =
            Question.of(row.get("text").textValue())
                .image(Demo.image(row.get("image").textValue()))
                .maxTokens(16);
        String answer = row.get("answer").textValue();
        dense += model.ask(question).text().equals(answer) ? 1 : 0;
        star += model.ask(question.prune("star:R=0.1,K=4,P=0.9")).text().equals(answer) ? 1 : 0;
      }
    }
    assertEquals(198, dense, 2);
    assertEquals(177, star, 2);
  }
}
