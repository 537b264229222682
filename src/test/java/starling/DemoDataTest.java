package starling;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import starling.input.InputException;

/** The demo's files, as this program finds them among its resources. */
class DemoDataTest {
  @Test
  void theModelLiesInAFolderOfItsOwnUntilTheOwnerCloses() throws IOException {
    Path folder;
    try (DemoData demo = DemoData.unpack();
        DemoData other = DemoData.unpack()) {
      folder = demo.model();
      assertFalse(folder.equals(other.model()));
      assertEquals(
          "rwx------", PosixFilePermissions.toString(Files.getPosixFilePermissions(folder)));
      try (var files = Files.list(folder)) {
        for (Path file : files.toList()) {
          assertEquals(-1, Files.mismatch(Demo.MODEL.resolve(file.getFileName()), file));
        }
      }
      assertTrue(Files.exists(folder.resolve("model.safetensors")));
    }
    assertFalse(Files.exists(folder));
  }

  @Test
  void theQuestionsAreThoseOfTheFileAndEachHasItsImage() throws IOException {
    try (DemoData demo = DemoData.unpack()) {
      var questions = demo.questions();
      assertEquals(
          new DemoData.Item(0, "scene-00.png", "What color is the heart?", "yellow", "color"),
          questions.getFirst());
      assertEquals(200, questions.size());
      for (int i = 0; i < questions.size(); i++) {
        assertEquals(i, questions.get(i).id());
      }
      try (var images = Files.list(Demo.ROOT.resolve("pictures"))) {
        assertEquals(
            images.map(f -> f.getFileName().toString()).collect(Collectors.toSet()),
            questions.stream().map(DemoData.Item::image).collect(Collectors.toSet()));
      }
      for (String name : questions.stream().map(DemoData.Item::image).distinct().toList()) {
        assertArrayEquals(Demo.read(name).rgb(), demo.image(name).rgb());
      }
    }
  }

  @Test
  void anImageThatIsNotThereIsRefusedByName() {
    try (DemoData demo = DemoData.unpack()) {
      var refused = assertThrows(InputException.class, () -> demo.image("scene-99.png"));
      assertEquals("the demo's data has no pictures/scene-99.png", refused.getMessage());
    }
  }
}
