package starling.server;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;

/** Why a request gets no answer: a status of HTTP, and the error as OpenAI's clients read it. */
final class Refusal extends RuntimeException {
  private static final long serialVersionUID = 1;

  private static final String INVALID = "invalid_request_error";

  private final int status;
  private final String type;
  private final String param;
  private final String code;

  private Refusal(int status, String type, String param, String code, String sentence) {
    super(sentence, null, false, false);
    this.status = status;
    this.type = type;
    this.param = param;
    this.code = code;
  }

  /** A field that cannot be used; null if it is the whole request. */
  static Refusal badField(String param, String sentence) {
    return new Refusal(400, INVALID, param, null, sentence);
  }

  /** A field that is understood, and not done here. */
  static Refusal unsupported(String param, String sentence) {
    return new Refusal(400, INVALID, param, "unsupported_parameter", sentence);
  }

  static Refusal noKey() {
    return new Refusal(
        401,
        INVALID,
        null,
        "invalid_api_key",
        "this server wants its key: send the header Authorization: Bearer KEY");
  }

  static Refusal foreignHost() {
    return new Refusal(
        403,
        INVALID,
        null,
        "host_not_allowed",
        "this server has no key, so it answers to names of this machine only; ask it as localhost");
  }

  static Refusal noPath(String path) {
    return new Refusal(404, INVALID, null, "unknown_url", "there is nothing at " + path);
  }

  static Refusal noModel(String name, String known) {
    return new Refusal(
        404,
        INVALID,
        "model",
        "model_not_found",
        "the model '" + name + "' is not here; this server has '" + known + "'");
  }

  static Refusal noMethod(String method, String path, String allowed) {
    return new Refusal(
        405, INVALID, null, "method_not_allowed", path + " takes " + allowed + ", not " + method);
  }

  static Refusal tooSlow() {
    return new Refusal(408, INVALID, null, "request_timeout", "the request came in too slowly");
  }

  static Refusal tooLong(long most) {
    return new Refusal(
        413,
        INVALID,
        null,
        "request_too_large",
        "the request has more than the " + most + " bytes that this server reads");
  }

  static Refusal noJson(String contentType) {
    return new Refusal(
        415,
        INVALID,
        null,
        "unsupported_media_type",
        "the content type is " + contentType + "; it must be application/json in UTF-8");
  }

  static Refusal busy(String why) {
    return new Refusal(429, "rate_limit_error", null, "server_busy", why + "; try again later");
  }

  static Refusal cancelled() {
    return new Refusal(499, "cancelled", null, "client_closed_request", "the client went away");
  }

  /** A fault of ours, which is told in the server's log alone. */
  static Refusal fault(String id) {
    return new Refusal(
        500,
        "server_error",
        null,
        "internal_error",
        "something went wrong in the server; its log has more under " + id);
  }

  static Refusal closing() {
    return new Refusal(503, "server_error", null, "shutting_down", "the server is shutting down");
  }

  static Refusal timeUp(long seconds) {
    return new Refusal(
        504,
        "timeout",
        null,
        "question_timeout",
        "the question took longer than the " + seconds + " seconds that this server gives it");
  }

  /** What the library that speaks HTTP has refused. */
  static Refusal ofProtocol(int status, String sentence) {
    return new Refusal(status, INVALID, null, "bad_http", sentence);
  }

  int status() {
    return status;
  }

  /** {@code {"error": …}}. */
  ObjectNode json() {
    ObjectNode all = JsonNodeFactory.instance.objectNode();
    all.putObject("error")
        .put("message", getMessage())
        .put("type", type)
        .put("param", param)
        .put("code", code);
    return all;
  }
}
