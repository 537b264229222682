package starling.text;

import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;

/**
 * What a text goes through before it is cut into words: {@code Prepend}, {@code Replace}, {@code
 * NFC}.
 */
record Normalizer(List<UnaryOperator<MarkedText>> steps, Growth growth) {
  static Normalizer read(Section section) {
    var steps = new ArrayList<UnaryOperator<MarkedText>>();
    var growth = new Growth(section);
    add(section, steps, growth);
    return new Normalizer(List.copyOf(steps), growth);
  }

  private static void add(Section section, List<UnaryOperator<MarkedText>> steps, Growth growth) {
    if (section.absent()) {
      return;
    }
    growth.checkSteps(steps.size() + 1);
    switch (section.type()) {
      case "Sequence" -> section.at("normalizers").list().forEach(step -> add(step, steps, growth));
      case "Prepend" -> {
        String prepend = section.at("prepend").token();
        steps.add(text -> text.length() == 0 ? text : text.behind(prepend));
      }
      case "Replace" -> {
        String pattern = section.literal();
        String content = section.at("content").token();
        steps.add(text -> growth.replace(text, pattern, content));
      }
      case "NFC" -> steps.add(MarkedText::composed);
      default -> throw section.unsupported();
    }
  }

  String apply(String text) {
    return apply(MarkedText.of(text)).toString();
  }

  MarkedText apply(MarkedText text) {
    MarkedText t = text;
    for (UnaryOperator<MarkedText> step : steps) {
      t = step.apply(t);
      growth.check(text.length(), t.length());
    }
    return t;
  }
}
