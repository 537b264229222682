package starling.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import starling.input.InputException;

/** What is followed of {@code generation_config.json}. */
class GenerationConfigTest {
  @TempDir private Path dir;

  private GenerationConfig read(String json) throws IOException {
    Files.writeString(dir.resolve("generation_config.json"), json);
    return GenerationConfig.read(dir);
  }

  @Test
  void withoutTheFileOrTheFieldThereIsNoPenalty() throws IOException {
    assertEquals(new GenerationConfig(1), GenerationConfig.read(dir));
    assertEquals(new GenerationConfig(1), read("{\"temperature\":0.9}"));
    assertEquals(new GenerationConfig(1), read("{\"repetition_penalty\":null}"));
  }

  @Test
  void thePenaltyIsTheFiles() throws IOException {
    assertEquals(new GenerationConfig(1.05f), read("{\"repetition_penalty\":1.05}"));
    assertEquals(new GenerationConfig(0.5f), read("{\"repetition_penalty\":0.5}"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"0", "-1", "1e99"})
  void aPenaltyThatIsNoneIsRefused(String penalty) {
    String json = "{\"repetition_penalty\":" + penalty + "}";
    var e = assertThrows(InputException.class, () -> read(json));
    assertEquals(
        dir.resolve("generation_config.json")
            + ": repetition_penalty is "
            + Double.parseDouble(penalty)
            + "; it must be above 0 and in the range of a float",
        e.getMessage());
  }
}
