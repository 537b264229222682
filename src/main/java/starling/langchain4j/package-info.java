/**
 * Starling's models for programs that use langchain4j, which they bring themselves: {@link
 * starling.langchain4j.StarlingChatModel}.
 */
package starling.langchain4j;
