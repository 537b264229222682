package starling.text;

import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;

/** What a text goes through before it is cut into words: {@code Prepend} and {@code Replace}. */
record Normalizer(List<UnaryOperator<String>> steps) {
  static Normalizer read(Section section) {
    var steps = new ArrayList<UnaryOperator<String>>();
    add(section, steps);
    return new Normalizer(List.copyOf(steps));
  }

  private static void add(Section section, List<UnaryOperator<String>> steps) {
    if (section.absent()) {
      return;
    }
    switch (section.type()) {
      case "Sequence" -> section.at("normalizers").list().forEach(step -> add(step, steps));
      case "Prepend" -> {
        String prepend = section.at("prepend").text();
        steps.add(text -> text.isEmpty() ? text : prepend + text);
      }
      case "Replace" -> {
        String pattern = section.literal();
        String content = section.at("content").text();
        steps.add(text -> text.replace(pattern, content));
      }
      default -> throw section.unsupported();
    }
  }

  String apply(String text) {
    String t = text;
    for (UnaryOperator<String> step : steps) {
      t = step.apply(t);
    }
    return t;
  }
}
