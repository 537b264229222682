package starling;

import java.util.List;
import starling.input.InputException;
import starling.text.Template;
import starling.text.Tokenizer;

/**
 * A question's prompt as a model reads it.
 *
 * @param ids token ids, every image once as the model's image token
 * @param warnings what is odd about it, one sentence each
 */
record Prompt(int[] ids, List<String> warnings) {

  /**
   * Wraps the question and tokenizes it.
   *
   * @throws InputException if its marks do not fit its images, or the tokenizer the model
   */
  static Prompt of(Model model, Question question) {
    Tokenizer tokenizer = model.tokenizer();
    int images = question.images.size();
    int imageToken = model.family().imageToken();
    if (question.template == null && Template.marked(question.prompt)) {
      return checked(
          model,
          Template.bare(tokenizer, question.prompt, images, imageToken),
          List.of(
              "the prompt holds <image>, so it is used as given; to have it wrapped, name a"
                  + " template (--template)"));
    }
    Template template = question.template == null ? model.family().template() : question.template;
    int[] ids = template.ids(tokenizer, question.prompt, images, imageToken);
    return checked(model, ids, List.of());
  }

  private static Prompt checked(Model model, int[] ids, List<String> warnings) {
    int vocabulary = model.family().text().vocabSize();
    for (int id : ids) {
      if (id >= vocabulary && id != model.family().imageToken()) {
        throw new InputException(
            model.dir()
                + ": the tokenizer gives id "
                + id
                + ", but the model's vocab_size is "
                + vocabulary);
      }
    }
    return new Prompt(ids, warnings);
  }
}
