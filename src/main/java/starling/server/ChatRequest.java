package starling.server;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.ThreadLocalRandom;
import starling.Message;
import starling.Part;
import starling.Question;
import starling.Role;
import starling.device.Sampling;
import starling.input.InputException;
import starling.model.Mode;

/**
 * A request of the chat endpoint.
 *
 * @param question what it asks
 * @param answers how many answers it wants
 * @param logprobs whether it wants the log-probabilities
 * @param stream whether it wants the answers as they come
 * @param includeUsage whether it wants the counts at the end of a stream
 */
record ChatRequest(
    Question question, int answers, boolean logprobs, boolean stream, boolean includeUsage) {
  private static final int MAX_STOPS = 4;
  private static final int LONGEST_STOP = 256; // every piece of an answer is held against it
  private static final int LONGEST_SPEC = 1000;
  private static final int MAX_TEXT = 1 << 20; // no context is as long, and reading it takes time
  private static final int MAX_TOP = 20;

  /** What clients send along that says nothing about the answer. */
  private static final String[] IGNORED = {
    "metadata",
    "parallel_tool_calls",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "store",
    "user"
  };

  /**
   * Reads it.
   *
   * @param model what clients call the model
   * @param room pays for the images
   * @throws Refusal if a field cannot be used; it is named
   */
  static ChatRequest read(
      JsonNode json, String model, RequestLimits limits, Pictures pictures, Memory.Room room) {
    var fields = new Fields(json, "");
    String wanted = fields.text("model");
    if (wanted != null && !wanted.equals(model)) {
      throw Refusal.noModel(wanted.length() <= 200 ? wanted : wanted.substring(0, 200), model);
    }
    boolean stream = fields.flag("stream");
    boolean includeUsage = includeUsage(fields, stream);
    int answers = (int) fields.whole("n", 1, limits.answers(), 1);
    int top = logprobs(fields);
    int tokens = tokens(fields, limits);
    Sampling sampling = sampling(fields);
    List<String> stop = stop(fields);
    refuseWhatIsNotDone(fields);
    fields.ignore(IGNORED);
    fields.ignore("messages", "prune", "mode");
    fields.finish();
    Question question = question(fields, limits, pictures, room);
    prune(fields, question);
    question.maxTokens(tokens).sampling(sampling).stop(stop.toArray(String[]::new));
    question.answers(answers).timeout(limits.time());
    if (top >= 0) {
      question.logprobs(top);
    }
    return new ChatRequest(question, answers, top >= 0, stream, includeUsage);
  }

  private static boolean includeUsage(Fields fields, boolean stream) {
    Fields options = fields.object("stream_options");
    if (options == null) {
      return false;
    }
    if (!stream) {
      throw fields.wrong("stream_options", "is for streams alone; set stream to true");
    }
    boolean include = options.flag("include_usage");
    options.ignore("include_obfuscation");
    options.finish();
    return include;
  }

  /** How many candidates are wanted beside each token; -1 if no log-probability is wanted. */
  private static int logprobs(Fields fields) {
    boolean wanted = fields.flag("logprobs");
    int top = (int) fields.whole("top_logprobs", 0, MAX_TOP, 0);
    if (top > 0 && !wanted) {
      throw fields.wrong("top_logprobs", "needs logprobs to be true");
    }
    return wanted ? top : -1;
  }

  private static int tokens(Fields fields, RequestLimits limits) {
    long old = fields.whole("max_tokens", 1, limits.tokens(), -1);
    long tokens = fields.whole("max_completion_tokens", 1, limits.tokens(), old);
    if (old > 0 && tokens != old) {
      throw fields.wrong("max_tokens", "and max_completion_tokens differ; leave one out");
    }
    return tokens < 0 ? limits.tokens() : (int) tokens;
  }

  /** Greedy unless told, as everywhere here; without a seed every request draws anew. */
  private static Sampling sampling(Fields fields) {
    double temperature = fields.number("temperature", 0, 2, 0);
    double topP = fields.number("top_p", 0, 1, 1);
    if ((float) topP == 0) {
      throw fields.wrong("top_p", "is 0; it must be above 0 and at most 1");
    }
    long drawn = ThreadLocalRandom.current().nextLong();
    long seed = fields.whole("seed", Long.MIN_VALUE, Long.MAX_VALUE, drawn);
    return new Sampling((float) temperature, 0, (float) topP, seed);
  }

  private static List<String> stop(Fields fields) {
    List<String> stop = fields.texts("stop", MAX_STOPS);
    if (stop.contains("")) {
      throw fields.wrong("stop", "has an empty text, which would end every answer");
    }
    if (stop.stream().anyMatch(text -> text.length() > LONGEST_STOP)) {
      throw fields.wrong("stop", "has a text of more than " + LONGEST_STOP + " characters");
    }
    return stop;
  }

  private static void refuseWhatIsNotDone(Fields fields) {
    for (String penalty : List.of("presence_penalty", "frequency_penalty")) {
      fields.refuseUnless(
          penalty, v -> v.isNumber() && v.doubleValue() == 0, "no penalty but 0 is applied");
    }
    fields.refuseUnless("logit_bias", JsonNode::isEmpty, "logits are taken as they are");
    for (String tools : List.of("tools", "functions")) {
      fields.refuseUnless(
          tools, v -> v.isArray() && v.isEmpty(), "these models are not trained to call tools");
    }
    for (String choice : List.of("tool_choice", "function_call")) {
      fields.refuseUnless(
          choice,
          v -> List.of("none", "auto").contains(v.asText()),
          "these models are not trained to call tools");
    }
    fields.refuseUnless(
        "response_format",
        v -> v.isObject() && v.path("type").asText().equals("text"),
        "answers are free text");
    fields.refuseUnless(
        "modalities",
        v -> v.isArray() && v.size() == 1 && v.path(0).asText().equals("text"),
        "answers are text");
  }

  private static Question question(
      Fields fields, RequestLimits limits, Pictures pictures, Memory.Room room) {
    var messages = new ArrayList<Message>();
    var left = new Budget(limits.images());
    for (Fields message : fields.objects("messages", limits.messages())) {
      messages.add(message(message, left, pictures, room));
    }
    try {
      return Question.of(messages);
    } catch (InputException e) {
      throw Refusal.badField("messages", e.getMessage());
    }
  }

  /** How many images and characters of all messages may still come. */
  private static final class Budget {
    private final int mostImages;
    private int images;
    private long characters;

    Budget(int mostImages) {
      this.mostImages = mostImages;
    }

    void takeImage(String param) {
      if (++images > mostImages) {
        throw tooMany(param, mostImages, "images");
      }
    }

    Message.Text text(String param, String text) {
      characters += text.length();
      if (characters > MAX_TEXT) {
        throw tooMany(param, MAX_TEXT, "characters in its messages");
      }
      return new Message.Text(text);
    }

    private static Refusal tooMany(String param, int most, String what) {
      return Refusal.badField(
          param,
          param + ": the request has more than " + most + " " + what + ", which is the limit");
    }
  }

  private static Message message(Fields message, Budget left, Pictures pictures, Memory.Room room) {
    Role role = role(message);
    message.ignore("name", "refusal", "annotations");
    for (String call : List.of("tool_calls", "function_call", "audio")) {
      message.refuseUnless(call, JsonNode::isEmpty, "these models answer with text alone");
    }
    var parts = new ArrayList<Part>();
    JsonNode content = message.get("content");
    if (content == null) {
      throw message.wrong("content", "is missing");
    }
    if (content.isTextual()) {
      parts.add(left.text(message.name("content"), content.textValue()));
    } else {
      for (Fields part : message.objects("content", 1024)) {
        parts.add(part(part, left, pictures, room));
      }
    }
    message.finish();
    return new Message(role, parts);
  }

  private static Role role(Fields message) {
    String role = message.requiredText("role");
    return switch (role) {
      case "system", "developer" -> Role.SYSTEM;
      case "user" -> Role.USER;
      case "assistant" -> Role.ASSISTANT;
      default ->
          throw message.wrong(
              "role",
              "is none that is known here; known are system, developer, user and assistant");
    };
  }

  private static Part part(Fields part, Budget left, Pictures pictures, Memory.Room room) {
    String type = part.requiredText("type");
    switch (type) {
      case "text" -> {
        Message.Text text = left.text(part.name("text"), part.requiredText("text"));
        part.finish();
        return text;
      }
      case "image_url" -> {
        Fields image = part.object("image_url");
        if (image == null) {
          throw part.wrong("image_url", "is missing");
        }
        image.oneOf("detail", "auto", "low", "high"); // the model has its own sizes
        String param = image.name("url");
        String url = image.requiredText("url");
        image.finish();
        part.finish();
        left.takeImage(param);
        return new Message.Picture(pictures.read(url, param, room));
      }
      default ->
          throw part.wrong("type", "is none that is known here; known are text and image_url");
    }
  }

  private static void prune(Fields fields, Question question) {
    String spec = fields.text("prune");
    if (spec != null) {
      if (spec.length() > LONGEST_SPEC) {
        throw fields.wrong("prune", "has more than " + LONGEST_SPEC + " characters");
      }
      if (spec.startsWith("replay:")) {
        throw fields.wrong("prune", "names a file, and requests open no files of the server");
      }
      try {
        question.prune(spec);
      } catch (InputException e) {
        throw Refusal.badField("prune", e.getMessage());
      }
    }
    String mode = fields.oneOf("mode", "compact", "mask");
    if (mode != null) {
      question.mode(Mode.valueOf(mode.toUpperCase(Locale.ROOT)));
    }
  }
}
