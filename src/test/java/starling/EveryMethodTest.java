package starling;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import starling.input.InputException;
import starling.prune.Methods;

/** What every built-in method has beside its code. */
class EveryMethodTest {
  private static List<String> names() {
    String said = assertThrows(InputException.class, () -> Methods.parse("nobody")).getMessage();
    String known = said.substring(said.indexOf("known are ") + 10, said.indexOf(" and replay:"));
    return List.of(known.split(", "));
  }

  @Test
  void everyMethodIsTriedOverImagesAndCrops() throws IOException {
    String tests =
        Files.readString(Checkout.path("src/test/java/starling/model/mosaic/MosaicTest.java"));
    for (String name : names()) {
      boolean tried = tests.matches("(?s).*\"" + name + ":[^\"]*budget=crop\".*");
      assertTrue(tried || name.equals("none"), "MosaicTest does not try " + name);
    }
  }

  @Test
  void aPageSaysWhatEveryMethodKeeps() throws IOException {
    var pages = new ArrayList<Path>(List.of(Checkout.path("README.md")));
    try (Stream<Path> site = Files.list(Checkout.path("src/site/markdown"))) {
      pages.addAll(site.collect(Collectors.toList()));
    }
    var rows = new StringBuilder();
    for (Path page : pages) {
      Files.readAllLines(page).stream().filter(l -> l.startsWith("|")).forEach(rows::append);
    }
    for (String name : names()) {
      boolean said = rows.indexOf("`" + name + "`") >= 0 || rows.indexOf("`" + name + ":") >= 0;
      assertTrue(said, "no page says what " + name + " keeps");
    }
  }
}
