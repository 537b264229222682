package starling.text;

import starling.input.InputException;

/**
 * The text that stands for an image in a prompt, once for each image, or as often as the image has
 * visual tokens.
 *
 * @param text such as {@code <image>}
 */
record Placeholder(String text) {
  /** How often it stands in a prompt. */
  int count(String prompt) {
    int count = 0;
    for (int at = prompt.indexOf(text); at >= 0; at = prompt.indexOf(text, at + text.length())) {
      count++;
    }
    return count;
  }

  /**
   * The prompt with the placeholder once for each image.
   *
   * @param rows visual tokens of each image; 0 where they are not known
   * @throws InputException if it stands neither once nor {@code rows} times for each
   */
  String once(String prompt, int[] rows) {
    int count = count(prompt);
    if (count == rows.length) {
      return prompt;
    }
    long all = 0;
    for (int r : rows) {
      all += r;
    }
    if (rows.length == 0 || count != all) {
      throw new InputException(
          "the prompt holds %d %s for %d image(s); it stands once per image%s"
              .formatted(
                  count,
                  text,
                  rows.length,
                  all == 0
                      ? " and must not be repeated for visual tokens"
                      : ", or once for each of their " + all + " visual tokens"));
    }
    return shrunk(prompt, rows);
  }

  private String shrunk(String prompt, int[] rows) {
    var shrunk = new StringBuilder();
    int at = 0;
    for (int image = 0; image < rows.length; image++) {
      int from = prompt.indexOf(text, at);
      int to = from + text.length() * rows[image];
      if (!prompt.regionMatches(from, text.repeat(rows[image]), 0, to - from)) {
        throw new InputException(
            "the prompt's %s for image %d are apart; its %d visual tokens stand in one row"
                .formatted(text, image, rows[image]));
      }
      shrunk.append(prompt, at, from).append(text);
      at = to;
    }
    return shrunk.append(prompt, at, prompt.length()).toString();
  }
}
